"""Where tables lie: compact files, one known raw file, and the one that comes with the package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zcproxy import folders
from zcproxy.errors import DataError, InputError, unknown
from zcproxy.tables import compact, delimited

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Found", "available", "find", "load", "names"]

_RAW = {"nasbench201": Path("nasbench201") / "accuracies.csv.gz"}
"""Raw files that are read on the fly, below the folder of data files."""

_EMBEDDED = {"digits201": Path(__file__).with_name("digits201.parquet")}


@dataclass(frozen=True)
class Found:
    """A table that is here: its name, file, number of rows, space and accuracy columns."""

    name: str
    path: Path
    rows: int
    space: str
    columns: dict[str, dict[str, Any]]


def load(name: str | Path) -> pd.DataFrame:
    """A table by name, or by the path of a `.parquet` (or `.csv`) file.

    Looked for as `tables/NAME.parquet` in `$ZCPROXY_DATA`, then as the raw file
    `nasbench201/accuracies.csv.gz` there, then both in the user's cache folder; `digits201` comes
    with the package.

    Returns: column `architecture`, `index` (official), accuracies in percent named as
        `zcproxy.tables.columns` says; `attrs["columns"][name]` is a dict of dataset, split,
        epochs, seed, release and source.
    Raises: InputError for an unknown name; DataError if the table is not here or damaged.
    """
    if not isinstance(name, str | Path):
        raise unknown("table", name, names(), "or give the path of a file")
    name, path = str(name), Path(name)
    if path.suffix in (".parquet", ".csv") or name.endswith(".csv.gz"):
        return _open(path)
    for candidate in _candidates(_checked(name)):
        with _repairable(name):
            return _open(candidate)
    raise _missing(name)


def names() -> list[str]:
    """Names of the tables that can be here: the known ones, and all that were imported."""
    imported = (path.stem for root in folders.roots() for path in _stored(root))
    return sorted({*_RAW, *_EMBEDDED, *imported})


def available() -> list[Found]:
    """The tables that are here, by name; each is the file that `load` would read.

    Raises: DataError if one of the files is damaged.
    """
    return [found for name in names() if (found := find(name)) is not None]


def find(name: str) -> Found | None:
    """What `load` would read for a name, without reading it where possible; None if not here.

    Raises: DataError if the file is damaged.
    """
    path = next(_candidates(name), None)
    if path is None:
        return None
    with _repairable(name):
        return _found(name, path)


def _candidates(name: str) -> Iterator[Path]:
    """Files that hold a table, first choice first."""
    for root in folders.roots():
        paths = [root / "tables" / f"{name}.parquet"]
        paths += [root / _RAW[name]] if name in _RAW else []
        yield from (path for path in paths if path.is_file())
    if name in _EMBEDDED and _EMBEDDED[name].is_file():
        yield _EMBEDDED[name]


def _stored(root: Path) -> list[Path]:
    return sorted((root / "tables").glob("*.parquet"))


def _open(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return compact.read(path)
    return delimited.read(path, space="nasbench201").frame


def _found(name: str, path: Path) -> Found:
    if path.suffix == ".parquet":
        attrs, rows = compact.header(path)
        return Found(name, path, rows, attrs["space"], attrs["columns"])
    frame = _open(path)
    return Found(name, path, len(frame), frame.attrs["space"], frame.attrs["columns"])


@contextmanager
def _repairable(name: str) -> Iterator[None]:
    """Say how a damaged table is mended."""
    try:
        yield
    except DataError as problem:
        again = "import it again: zcproxy data import FILE --overwrite"
        if name in _RAW:
            again = f"get it again: zcproxy data fetch {name}, or zcproxy data import FILE"
        raise DataError(f"{problem}; {again}") from problem


def _checked(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise InputError(f"'{name}' is no name of a table; known: {', '.join(names())}")
    return name


def _missing(name: str) -> Exception:
    if name not in names():
        return unknown("table", name, names(), "zcproxy data list shows what is here")
    looked = ", ".join(str(root / "tables") for root in folders.roots())
    how = (
        "zcproxy data fetch nasbench201 (test accuracies) or zcproxy data import FILE (official)"
        if name in _RAW
        else "this installation is incomplete"
    )
    return DataError(f"no table '{name}' found in {looked}; get it: {how}")
