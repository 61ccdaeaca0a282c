"""Which importer a file needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from zcproxy.errors import DataError, InputError
from zcproxy.tables import compact, delimited, official
from zcproxy.tables.columns import Column
from zcproxy.tables.delimited import Imported

__all__ = ["import_file"]


def import_file(
    path: Path,
    space: str = "nasbench201",
    architecture: str | None = None,
    columns: Mapping[str, Column] | None = None,
    trust: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Imported:
    """The table in a file or folder: CSV, `.pth`, NATS-Bench folder or `.tar`, or Parquet.

    Raises: InputError for an unknown kind or options that do not fit it; DataError for a missing or
        damaged file.
    """
    if not path.exists():
        raise DataError(f"there is no file or folder {path}")
    if path.name.lower().endswith((".csv", ".csv.gz", ".csv.xz", ".csv.bz2", ".csv.zst")):
        return delimited.read(path, space, architecture, columns)
    if architecture is not None or columns:
        raise InputError(f"{path} is no CSV file; its columns cannot be chosen")
    if path.suffix == ".parquet":
        return Imported(compact.read(path))
    if space != "nasbench201":
        raise InputError(f"official files hold the space nasbench201, not {space}")
    if path.suffix == ".pth":
        return Imported(official.nasbench201(path, trust, progress))
    if path.is_dir() or ".tar" in path.suffixes:
        return Imported(official.nats(path, trust, progress))
    raise InputError(
        f"cannot tell what {path} is; expected .csv (perhaps compressed), an official .pth, "
        "or the folder or .tar of NATS-Bench's topology space"
    )
