"""Tables from CSV files with a column of architectures and columns of accuracies."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path
from typing import TYPE_CHECKING

from zcproxy.errors import DataError, InputError
from zcproxy.tables.columns import Column, by_name
from zcproxy.tables.frame import finish

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Imported", "read"]

_LOOK = 50  # rows looked at to recognize the column of architectures
_SCORES = b"# {"  # how a file of scores begins
_FIRST_LINE = 2  # of data, counted as an editor does: the header is line 1


@dataclass(frozen=True, eq=False)
class Imported:
    """A table and the names of the columns of the file that were left out."""

    frame: pd.DataFrame
    skipped: tuple[str, ...] = ()


def read(
    path: Path | str,
    space: str = "nasbench201",
    architecture: str | None = None,
    columns: Mapping[str, Column] | None = None,
) -> Imported:
    """A table from a CSV file (plain or compressed).

    Args:
        path: a file whose first line names the columns.
        space: the space its architectures belong to.
        architecture: the column of architectures; default: the one whose texts are such.
        columns: what further columns hold; those named like known ones are recognized.

    Raises: InputError if a named column is not there or no column can be used; DataError with the
        line number for a bad or repeated architecture and for accuracies that are not percentages.
        An empty cell is a missing accuracy.
    """
    texts = _texts(Path(path))
    source = _column(texts, architecture, space, Path(path))
    given = dict(columns or {})
    absent = [name for name in given if name not in texts]
    if absent:
        raise InputError(f"{path} has no column '{absent[0]}'; it has {_listed(texts.columns)}")
    known = {name: given.get(name) or by_name(name) for name in texts.columns if name != source}
    used = {name: column for name, column in known.items() if column is not None}
    _no_collisions(used)
    if not used:
        raise InputError(
            f"{path} has no column known to hold accuracies ({_listed(texts.columns)}); "
            "name one: --column CSVNAME=cifar10/test/200"
        )
    origin = Path(path).name
    meanings = {c.name: changed(c, source=f"{origin}:{name}") for name, c in used.items()}
    frame = texts[[]].assign(architecture=_architectures(texts[source], space, path))
    for name, column in used.items():
        frame[column.name] = _percentages(texts[name], path)
    if frame[[column.name for column in used.values()]].isna().all(axis=None):
        raise DataError(f"{path} has no accuracy in {_listed(list(used))}: all cells are empty")
    skipped = [name for name in known if name not in used and name != "index"]
    return Imported(finish(frame, space, meanings), tuple(skipped))


def _texts(path: Path) -> pd.DataFrame:
    """The file as it is: every cell a text."""
    import pandas as pd

    try:
        with path.open("rb") as file:
            start = file.read(len(_SCORES))
        if start == _SCORES:
            raise DataError(
                f"{path} holds scores, no accuracies; zcproxy correlate {path} reads it"
            )
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError as problem:
        raise DataError(f"there is no file {path}") from problem
    except (OSError, EOFError, ValueError, zlib.error) as problem:
        reason = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
        raise DataError(f"{path} is not a whole CSV file ({reason})") from problem


def _column(texts: pd.DataFrame, name: str | None, space: str, path: Path) -> str:
    """The column of architectures: the one named, or the only one whose texts are such."""
    if name is not None:
        if name not in texts:
            raise InputError(f"{path} has no column '{name}'; it has {_listed(texts.columns)}")
        return name
    fitting = [
        str(column)
        for column in texts.columns
        if any(_is_architecture(text, space) for text in texts[column].head(_LOOK))
    ]
    if len(fitting) != 1:
        found = f"several columns ({_listed(fitting)}) hold" if fitting else "no column holds"
        raise InputError(
            f"{found} architectures of {space} in {path} (columns: {_listed(texts.columns)}); "
            "name it: zcproxy data import FILE --architecture-column NAME"
        )
    return fitting[0]


def _is_architecture(text: str, space: str) -> bool:
    from zcproxy import spaces

    try:
        spaces.get(space).canonical(text)
    except InputError:
        return False
    return True


def _architectures(texts: pd.Series[str], space: str, path: Path | str) -> list[str]:
    """Canonical strings, each once."""
    from zcproxy import spaces

    canonical = spaces.get(space).canonical
    lines: dict[str, int] = {}
    for line, text in enumerate(texts, start=_FIRST_LINE):
        try:
            architecture = canonical(text)
        except InputError as problem:
            raise DataError(f"{path}, line {line}: {problem}") from problem
        if architecture in lines:
            raise DataError(
                f"{path}, line {line}: {architecture} was on line {lines[architecture]} already"
            )
        lines[architecture] = line
    return list(lines)


def _percentages(texts: pd.Series[str], path: Path | str) -> pd.Series[float]:
    """The numbers in a column; an empty cell is nan."""
    import pandas as pd

    numbers = pd.to_numeric(texts.where(texts.str.strip() != ""), errors="coerce").astype("float64")
    wrong = (texts.str.strip() != "") & ~numbers.between(0, 100)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise DataError(
            f"{path}, line {row + _FIRST_LINE}: '{texts.iloc[row]}' in column '{texts.name}' "
            "is not an accuracy in percent (0 to 100)"
        )
    if numbers.nunique() > 1 and numbers.max() <= 1:
        raise DataError(
            f"{path}: column '{texts.name}' goes up to {numbers.max():g} only, so it seems to hold "
            "fractions; write percentages"
        )
    return numbers


def _no_collisions(used: Mapping[str, Column]) -> None:
    seen: dict[str, str] = {}
    for name, column in used.items():
        if column.name in seen:
            raise InputError(
                f"columns '{seen[column.name]}' and '{name}' both mean {column.name}; "
                "leave one out of the file or name it with --column"
            )
        seen[column.name] = name


def _listed(names: Sequence[str] | pd.Index[str]) -> str:
    return ", ".join(map(str, names))
