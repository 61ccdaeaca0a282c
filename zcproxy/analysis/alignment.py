"""Scores and accuracies of the same architectures, side by side."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from zcproxy.errors import InputError, unknown

__all__ = ["align", "score_columns", "select_columns"]


def align(
    scores: pd.DataFrame, accuracies: pd.Series[float] | pd.DataFrame
) -> tuple[pd.DataFrame, pd.Series[float]]:
    """Scores and accuracies of the architectures that have both, indexed by architecture.

    `scores` has the column `architecture`; `accuracies` is a series indexed by architecture, or a
    frame of `architecture` and one more column. The order is that of `scores`.

    Raises InputError where the column `architecture` is missing, an architecture is repeated,
    the accuracies are not one column, or nothing is in common.
    """
    values, truth = by_architecture(scores, "scores"), one_column(accuracies)
    require_unique(values.index, "scores")
    require_unique(truth.index, "accuracies")
    truth = truth.astype(np.float64).dropna()
    shared = values.index.intersection(truth.index, sort=False)
    if shared.empty:
        raise InputError(
            f"none of the {len(values)} scored architectures is among the {len(truth)} with an "
            f"accuracy; scored: {first(values.index)}, with an accuracy: {first(truth.index)}"
        )
    return values.loc[shared], truth.loc[shared]


def score_columns(scores: pd.DataFrame) -> list[str]:
    """The proxies of a frame of scores: its numeric columns, without `<proxy>_log` of a `<proxy>`.

    A logarithm orders as its proxy does; it is stored for reading, not as another proxy.
    """
    numeric = [str(name) for name in scores.select_dtypes("number").columns]
    logs = {f"{name}_log" for name in numeric}
    return [name for name in numeric if name not in logs]


def select_columns(
    scores: pd.DataFrame, names: Iterable[str], others: Iterable[str] = ()
) -> pd.DataFrame:
    """The named columns as float64; raises InputError naming the nearest for an unknown one.

    The nearest is looked for among `others`, too: names that are made of columns.
    """
    wanted = list(dict.fromkeys(names))
    known, numeric = score_columns(scores), set(scores.select_dtypes("number").columns)
    for name in wanted:
        if name not in numeric:
            raise unknown("proxy among the scores", name, [*known, *others])
    return scores[wanted].astype(np.float64)


def by_architecture(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    """`frame` indexed by its column `architecture`."""
    if "architecture" not in frame.columns:
        raise InputError(
            f"{what}: no column 'architecture' among {', '.join(map(str, frame.columns))}"
        )
    return frame.set_index("architecture")


def one_column(accuracies: pd.Series[float] | pd.DataFrame) -> pd.Series[float]:
    """The only column of accuracies as a series indexed by architecture."""
    if isinstance(accuracies, pd.Series):
        return accuracies
    frame = by_architecture(accuracies, "accuracies")
    if frame.shape[1] != 1:
        raise InputError(
            f"accuracies: expected one column, got {', '.join(map(str, frame.columns))}; choose one"
        )
    return frame.iloc[:, 0]


def require_unique(index: pd.Index[str], what: str) -> None:
    """Raise InputError for an architecture that occurs twice."""
    repeated = index[index.duplicated()]
    if len(repeated):
        raise InputError(
            f"{what}: architecture {repeated[0]} occurs more than once "
            f"({len(repeated)} surplus rows); keep one row for each"
        )


def first(index: pd.Index[str]) -> str:
    """The first architecture, or a word for none."""
    return f"{index[0]}" if len(index) else "none"
