"""The data frame of a table: put in order, checked, described."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from zcproxy.errors import DataError, InputError
from zcproxy.tables.columns import Column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check", "columns_of", "finish", "from_trials"]

Trial = tuple[str, Column, float]
"""An architecture, the column of one seed, and the accuracy in percent."""


def finish(
    frame: pd.DataFrame, space: str, columns: Mapping[str, Column] | None = None
) -> pd.DataFrame:
    """The frame as a table of `space`: checked, described in `attrs`, in the official order.

    Args:
        frame: the column `architecture`, and accuracies in percent; other columns are kept.
        space: name of the space the architectures belong to; column `index` becomes their
            position in `architectures()`.
        columns: what each accuracy column holds; default: what its name says.

    Raises: DataError if an architecture is repeated or not of the space, or an accuracy is no
        number in 0 ... 100 (missing ones are allowed).
    """
    from zcproxy import spaces

    order = {text: i for i, text in enumerate(spaces.get(space).architectures())}
    foreign = [text for text in frame["architecture"] if text not in order]
    if foreign:
        raise DataError(f"'{foreign[0]}' is no architecture of {space}")
    index = frame["architecture"].map(order).astype("int64")
    rest = frame.drop(columns=["architecture", "index"], errors="ignore")
    table = rest.assign(architecture=frame["architecture"], index=index)
    table = table[["architecture", "index", *rest.columns]].sort_values("index", ignore_index=True)
    table.attrs = {"space": space, "columns": _described(table, columns)}
    check(table, f"the table of {space}")
    return table


def columns_of(frame: pd.DataFrame) -> dict[str, Column]:
    """The accuracy columns of a table and what they hold."""
    described: Mapping[str, Any] = frame.attrs["columns"]
    return {name: Column(**meaning) for name, meaning in described.items()}


def check(frame: pd.DataFrame, where: str) -> None:
    """Raise DataError unless architectures are unique and accuracies numbers in 0 ... 100."""
    architectures = frame["architecture"]
    if not len(frame):
        raise DataError(f"{where} has no rows")
    if architectures.isna().any() or architectures.duplicated().any():
        again = architectures[architectures.isna() | architectures.duplicated()].iloc[0]
        raise DataError(f"{where} names the architecture {again} twice")
    for name in frame.attrs["columns"]:
        if name not in frame or frame[name].dtype.kind not in "fiu":
            raise DataError(f"{where} has no numbers in column '{name}'")
        wrong = frame[name].notna() & ~frame[name].between(0, 100)
        if wrong.any():
            raise DataError(
                f"{where}: {name} is {frame[name][wrong].iloc[0]} for "
                f"{architectures[wrong].iloc[0]}, not a percentage"
            )


def from_trials(trials: Iterable[Trial], space: str) -> pd.DataFrame:
    """A table from single trainings: one column per seed, and the mean over the seeds there are.

    Raises: DataError if there are none, InputError if one is given twice.
    """
    import pandas as pd

    rows: dict[str, dict[Column, float]] = {}
    for architecture, column, accuracy in trials:
        row = rows.setdefault(architecture, {})
        if column in row:
            raise InputError(f"two trainings of {architecture} claim {column.name}")
        row[column] = float(accuracy)
    seeds = sorted({column for row in rows.values() for column in row}, key=_order)
    if not seeds:
        raise DataError("there are no accuracies")
    singles = pd.DataFrame({c.name: [row.get(c) for row in rows.values()] for c in seeds})
    singles = singles.astype("float64")
    means = dict.fromkeys(Column(c.dataset, c.split, c.epochs, source=c.source) for c in seeds)
    groups = {m: [c.name for c in seeds if _same_but_seed(c, m)] for m in means}
    frame = pd.DataFrame({m.name: singles[names].mean(axis=1) for m, names in groups.items()})
    frame = pd.concat([frame, singles], axis=1)
    frame.insert(0, "architecture", list(rows))
    return finish(frame, space, {c.name: c for c in [*means, *seeds]})


def _order(column: Column) -> tuple[str, str, int, int]:
    return (column.dataset, column.split, column.epochs, -1 if column.seed is None else column.seed)


def _same_but_seed(one: Column, mean: Column) -> bool:
    return (one.dataset, one.split, one.epochs) == (mean.dataset, mean.split, mean.epochs)


def _described(
    frame: pd.DataFrame, columns: Mapping[str, Column] | None
) -> dict[str, dict[str, Any]]:
    if columns is None:
        parsed = {name: Column.parse(name) for name in map(str, frame.columns)}
        columns = {name: column for name, column in parsed.items() if column is not None}
    if not columns:
        raise DataError("a table needs at least one accuracy column, e.g. cifar10_test_200")
    return {name: column.describe() for name, column in columns.items()}
