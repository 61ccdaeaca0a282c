"""The table of scores: one row per architecture, one column per proxy, reasons beside every nan.

Columns: `architecture` (text); every proxy (float64); `<proxy>_failure` (kind of failure, or
missing) beside each proxy that has failures; `synflow_log`, the natural logarithm of `synflow`.
`frame.attrs` tells the run: the fields of its configuration, its `key`, `proxies` and `versions`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zcproxy.errors import DataError, InputError, StoreError
from zcproxy.kinds import FAILURE, NOT_SCORED
from zcproxy.store.database import Row, Store

if TYPE_CHECKING:
    import pandas as pd

    from zcproxy.spaces import NASBench201

__all__ = ["export", "read_scores", "write_scores"]

LOGARITHMS = {"synflow": "synflow_log"}
"""Proxies whose values span too many orders of magnitude to be read without their logarithm."""


def export(
    store: Store,
    space: NASBench201,
    architectures: Sequence[str] | None = None,
    proxies: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The table of scores of a store; a network's score is given to all its architectures.

    Args:
        store: scores of networks.
        space: the space of the store's configuration; counts come from it.
        architectures: rows of the table; without it, all that the store's runs were asked for.
        proxies: columns of the table, counts among them; without it, those asked for.

    A store that does not tell what was asked for (one of an older zcproxy) gives all architectures
    whose network has a row, all its proxies and the counts; `attrs["expanded"]` is then True.

    Returns: the table this module describes. What is not in the store has failure `not_scored`.
    """
    import pandas as pd

    from zcproxy.proxies import COUNTS

    stored = store.rows()
    asked = store.requested()
    expanded = asked is None and architectures is None
    if asked is None:
        scored = {row.network for row in stored}
        asked = (
            [a for a in space.architectures() if space.key(a) in scored] if expanded else [],
            sorted({row.proxy for row in stored} | set(COUNTS)),
        )
    architectures = asked[0] if architectures is None else architectures
    proxies = asked[1] if proxies is None else proxies
    networks = [space.key(architecture) for architecture in architectures]
    cells = {(row.network, row.proxy): row for row in stored}
    columns: dict[str, object] = {"architecture": pd.array(list(architectures), dtype="str")}
    dataset = store.configuration.dataset
    counts = [space.counts(architecture, dataset) for architecture in architectures]
    for proxy in proxies:
        if proxy in COUNTS:
            columns[proxy] = [count[proxy] for count in counts]
        else:
            columns |= _columns(proxy, [cells.get((network, proxy)) for network in networks])
    frame = pd.DataFrame(columns)
    frame.attrs |= store.configuration.to_dict()
    frame.attrs |= {
        "key": store.configuration.key,
        "proxies": list(proxies),
        "versions": store.versions(),
    }
    if expanded:
        frame.attrs["expanded"] = True
    return frame


def _columns(proxy: str, rows: Sequence[Row | None]) -> dict[str, object]:
    """The column of a proxy, its logarithm where there is one, and the failures beside both."""
    import numpy as np
    import pandas as pd

    values = np.array([_value(row) for row in rows], dtype=np.float64)
    failures = [NOT_SCORED if row is None else row.failure for row in rows]
    columns: dict[str, object] = {proxy: values}
    if proxy in LOGARITHMS:
        with np.errstate(divide="ignore"):
            columns[LOGARITHMS[proxy]] = np.log(values)
    if any(failures):
        kinds = pd.array(failures, dtype="str")
        columns |= {name + FAILURE: kinds for name in list(columns)}
    return columns


def _value(row: Row | None) -> float:
    return float("nan") if row is None or row.value is None else row.value


def write_scores(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table of scores as `.parquet` or `.csv`, the whole of it or nothing.

    `frame.attrs` goes along: in Parquet as the metadata entry `zcproxy`, in CSV as a first line
    `# {...}` (pandas reads the file with `comment="#"`). Numbers keep all their bits.

    Raises: InputError for another ending; StoreError if the file cannot be written.
    """
    path = Path(path)
    writer = _writer(path)
    with _replaced(path) as partial:
        writer(frame, partial)
        partial.replace(path)


def check_output(path: Path) -> None:
    """Raise what `write_scores` would raise for this path, before hours of computing.

    Raises: InputError for another ending; StoreError if the folder is missing, a file in it cannot
        be created, or a folder has the name.
    """
    _writer(path)
    if not path.absolute().parent.is_dir():
        raise StoreError(f"there is no folder {path.parent} to write {path.name} into; create it")
    if path.is_dir():
        raise StoreError(f"{path} is a folder; give the name of a file")
    with _replaced(path) as partial:
        partial.touch()


_ADVICE = "choose another file with --out, or remove it first"


def check_replaced(
    path: Path,
    run: Mapping[str, object],
    left_out: Mapping[str, object],
    writer: str = "zcproxy score",
    keep: tuple[Sequence[str], Sequence[str]] | None = None,
) -> pd.DataFrame | None:
    """The table that `write_scores` would replace, which must be of the same run.

    Raises StoreError otherwise. As with a store, scores of another configuration are not
    overwritten, nor is a file that does not tell which it holds; an empty file is.

    Args:
        path: the file, which need not be there.
        run: what fixes the scores to come, by the names that files have for it.
        left_out: the values of what files may leave out.
        writer: the command that writes such files.
        keep: architectures and proxies to come, where the file must not have any others.

    Returns: the table that is there; None for no or an empty file.
    """
    if not path.exists() or not path.stat().st_size:
        return None
    foreign = (
        f"{path} is there and no table of this run ({writer} did not write it, or not the whole of "
        f"it); {_ADVICE}"
    )
    try:
        frame = read_scores(path)
    except (DataError, StoreError) as error:
        raise StoreError(foreign) from error
    told = {**left_out, **{str(name): value for name, value in frame.attrs.items()}}
    if not run.keys() <= told.keys():
        raise StoreError(foreign)
    wanted = {**run, **left_out, **run}
    different = [name for name in wanted if wanted[name] != told[name]]
    if different:
        words = "; ".join(f"{name}: {wanted[name]}, not {told[name]}" for name in different)
        raise StoreError(
            f"{path} holds scores of another configuration (wanted {words}); {_ADVICE}"
        )
    if keep is not None:
        check_kept(path, frame, *keep)
    return frame


def check_kept(
    path: Path, frame: pd.DataFrame, architectures: Sequence[str], proxies: Sequence[str]
) -> None:
    """Raise StoreError where the table of a file has others, which replacing it would remove."""
    if lost := _lost(frame, architectures, proxies):
        raise StoreError(
            f"{path} also holds {lost}, which this run would remove; ask for them too, {_ADVICE}"
        )


def _lost(frame: pd.DataFrame, architectures: Sequence[str], proxies: Sequence[str]) -> str:
    """What of a table is not among these architectures and proxies, in words; empty if all is."""
    made = {name: proxy for proxy, name in LOGARITHMS.items()}
    columns = [c for c in frame.columns if c != "architecture" and not c.endswith(FAILURE)]
    others = sorted({made.get(column, column) for column in columns} - set(proxies))
    rows = len(set(frame["architecture"]) - set(architectures))
    parts = [f"scores by {', '.join(others)}"] if others else []
    parts += [f"scores of {rows:,} other candidates"] if rows else []
    return " and ".join(parts)


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """A name beside `path` for what is to replace it; whatever is left there is removed."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
    except OSError as error:
        reason = str(error.strerror or error).replace(partial.name, path.name)
        raise StoreError(f"{path} cannot be written: {reason}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _writer(path: Path) -> Callable[[pd.DataFrame, Path], None]:
    writers = {".parquet": _write_parquet, ".csv": _write_csv}
    if path.suffix not in writers:
        raise InputError(f"{path.name} ends in neither .parquet nor .csv, the two ways to write it")
    return writers[path.suffix]


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), b"zcproxy": _metadata(frame).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), path)


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# {_metadata(frame)}\n")
        frame.to_csv(file, index=False, lineterminator="\n")


def _metadata(frame: pd.DataFrame) -> str:
    return json.dumps({**frame.attrs, "rows": len(frame)}, sort_keys=True)


def read_scores(path: str | Path) -> pd.DataFrame:
    """Read and check a table of scores: a Parquet or CSV file, or a store itself.

    A CSV file without the line of metadata is fine; its `attrs` are empty.

    Raises: DataError if there is no such file, if it is damaged or truncated, or if it is not a
        table of scores (the message says what is missing); StoreError for a damaged store.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}; zcproxy score --out writes such a file"
        ) from error
    if not start:
        raise DataError(f"{path} is empty; zcproxy score writes scores into such a file")
    if start == b"SQLite format 3\0":
        return _read_store(path)
    frame = _read_parquet(path) if start.startswith(b"PAR1") else _read_csv(path)
    return _checked(frame, path)


def _read_store(path: Path) -> pd.DataFrame:
    from zcproxy import spaces

    with Store.read(path) as store:
        return export(store, spaces.get(store.configuration.space))


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is a damaged or truncated Parquet file; write it again") from error
    frame: pd.DataFrame = table.to_pandas()
    text = (table.schema.metadata or {}).get(b"zcproxy", b"{}").decode()
    frame.attrs |= _parsed(text, path)
    return frame


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is neither Parquet, CSV nor a store of scores") from error
    header = text.split("\n", 2)[1 if text.startswith("#") and "\n" in text else 0]
    if "architecture" not in header:
        raise DataError(
            f"{path} is no table of scores: it has no column 'architecture'; zcproxy score --out "
            "writes such a file"
        )
    attributes = _parsed(text[1:].partition("\n")[0], path) if text.startswith("#") else {}
    if not text.endswith("\n"):
        raise DataError(f"{path} is truncated: its last line has no end; write it again")
    try:
        frame = pd.read_csv(path, comment="#")
    except ValueError as error:  # pandas' parser errors are ValueErrors
        reason = (str(error).strip().splitlines() or ["no table"])[0]
        raise DataError(f"{path} is not a CSV file of scores ({reason}); write it again") from error
    for column in frame.columns:
        if column.endswith(FAILURE):
            frame[column] = frame[column].astype("str")
    frame.attrs |= attributes
    return frame


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        attributes = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path} has damaged metadata; write it again") from error
    if not isinstance(attributes, dict):
        raise DataError(f"{path} has damaged metadata; write it again")
    return attributes


def _checked(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The frame, if it is a table of scores in which every nan has a reason."""
    from pandas.api.types import is_numeric_dtype

    if "architecture" not in frame.columns:
        raise DataError(f"{path} is no table of scores: it has no column 'architecture'")
    if frame["architecture"].isna().any() or frame["architecture"].duplicated().any():
        raise DataError(f"{path}: an architecture is missing or appears twice")
    rows = frame.attrs.pop("rows", len(frame))
    if rows != len(frame):
        raise DataError(f"{path} has {len(frame)} rows instead of {rows}; write it again")
    scores = [c for c in frame.columns if c != "architecture" and not c.endswith(FAILURE)]
    if not scores:
        raise DataError(f"{path} is no table of scores: it has no column besides 'architecture'")
    for column in scores:
        if not is_numeric_dtype(frame[column]):
            raise DataError(f"{path}: column '{column}' is not numeric")
        frame[column] = frame[column].astype("float64")
        missing = frame[column].isna()
        if column + FAILURE in frame.columns:
            missing &= frame[column + FAILURE].isna()
        if missing.any():
            where = frame["architecture"][missing].iloc[0]
            raise DataError(f"{path}: column '{column}' has no value for {where}, and no reason")
    return frame
