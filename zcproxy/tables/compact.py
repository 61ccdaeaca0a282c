"""The compact form of a table: one Parquet file, its columns described in its metadata."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zcproxy.errors import DataError
from zcproxy.tables import frame as frames

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["header", "read", "write"]

_KEY = b"zcproxy"
_REQUIRED = {"space", "columns"}


def write(frame: pd.DataFrame, path: Path | str) -> Path:
    """Write a table (of `finish`) as Parquet; the file appears whole or not at all.

    Raises: DataError if the folder cannot be written or the disk is full.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    frames.check(frame, str(path))
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({_KEY: json.dumps(frame.attrs)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(descriptor)
        try:
            pq.write_table(table, part, compression="zstd")
            os.chmod(part, 0o644)
            os.replace(part, path)
        finally:
            Path(part).unlink(missing_ok=True)
    except OSError as problem:
        raise DataError(f"cannot write {path}: {problem.strerror or problem}") from problem
    return path


def read(path: Path | str) -> pd.DataFrame:
    """The table in a Parquet file that `write` made.

    Raises: DataError if the file is missing, damaged, or no such table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    attrs, _ = header(path)
    try:
        frame: pd.DataFrame = pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowException) as problem:
        raise _damaged(path, problem) from problem
    frame.attrs = attrs
    if "architecture" not in frame:
        raise DataError(f"{path} has no column 'architecture'")
    frames.check(frame, str(path))
    return frame


def header(path: Path | str) -> tuple[dict[Any, Any], int]:
    """`attrs` of a table and its number of rows, without reading the rows.

    Raises: DataError as `read`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(path)
        attrs = json.loads((metadata.metadata or {}).get(_KEY, b"null"))
    except FileNotFoundError as problem:
        raise DataError(f"there is no file {path}") from problem
    except (OSError, ValueError, pa.ArrowException) as problem:
        raise _damaged(path, problem) from problem
    if isinstance(attrs, dict) and {"proxies", "rows"} <= attrs.keys():
        raise DataError(f"{path} holds scores, no accuracies; zcproxy correlate {path} reads it")
    if not isinstance(attrs, dict) or not attrs.keys() >= _REQUIRED:
        raise DataError(
            f"{path} is Parquet but no table of zcproxy; make one: zcproxy data import FILE"
        )
    return attrs, int(metadata.num_rows)


def _damaged(path: Path | str, problem: Exception) -> DataError:
    first = (str(problem).splitlines() or [type(problem).__name__])[0]
    return DataError(f"{path} is not a whole Parquet file ({first})")
