"""Exactly the k best of many scores, whatever the ties."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zcproxy.errors import MeasureError

__all__ = ["best", "fill"]

Bits = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.floating]


def best(scores: Scores, among: Bits, count: int) -> Bits:
    """Mark the `count` largest scores; among equal ones, those that come first.

    Args:
        scores: (n,) floats; only those in `among` are looked at.
        among: (n,) the candidates.
        count: how many to mark, from 0 to the number of candidates.

    Returns:
        (n,) booleans, exactly `count` of them True, all of them in `among`.

    Raises:
        MeasureError: a candidate's score is not finite.
    """
    values = scores if among.all() else scores[among]
    _check_finite(values)
    if count == len(values):
        return among.copy()
    if count == 0:
        return np.zeros_like(among)
    threshold = np.partition(values, len(values) - count)[len(values) - count]
    marked: Bits = among & (scores > threshold)
    equal = np.flatnonzero(among & (scores == threshold))
    marked[equal[: count - int(np.count_nonzero(marked))]] = True
    return marked


def fill(scores: Scores, among: Bits, costs: npt.NDArray[np.int64], budget: int) -> Bits:
    """Mark the best candidates, best first, up to the first that does not fit into the budget.

    Args:
        scores: (n,) floats; equal ones are taken in their order.
        among: (n,) the candidates.
        costs: (n,) what each costs.
        budget: what all marked ones together may cost.

    Returns:
        (n,) booleans.

    Raises:
        MeasureError: a candidate's score is not finite.
    """
    places = np.flatnonzero(among)
    values = scores[places]
    _check_finite(values)
    order = places[np.argsort(-values, kind="stable")]
    marked = np.zeros_like(among)
    marked[order[: int(np.searchsorted(np.cumsum(costs[order]), budget, side="right"))]] = True
    return marked


def _check_finite(values: Scores) -> None:
    if not np.isfinite(values).all():
        wrong = int(np.count_nonzero(~np.isfinite(values)))
        raise MeasureError(
            "nonfinite",
            f"{wrong} of {len(values)} scores are infinite or not a number, so weights cannot be "
            "ranked; check the loss, or initialize with smaller weights",
        )
