"""How well a ranking by proxy matches the ranking by accuracy: two signed coefficients.

Both are 1 when the orders are the same and -1 when one is the other reversed. Nothing here takes
an absolute value: a proxy's orientation was fixed before any accuracy was seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from zcproxy.analysis.concordance import Concordance
from zcproxy.analysis.failures import Pairs, pairs
from zcproxy.analysis.ranks import (
    Floats,
    centered_ranks,
    dense_codes,
    inner,
    matched,
    require_order,
    tied,
)
from zcproxy.analysis.uncertainty import Interval, bootstrap
from zcproxy.errors import MeasureError

__all__ = ["Agreement", "agreement", "kendall", "spearman"]


@dataclass(frozen=True)
class Agreement:
    """Agreement of one proxy with accuracy.

    `n` architectures entered the coefficients; `ties` of those with a value share it with
    another one; `failures` had no value (left out, or tied last, as the policy says). The
    intervals are None when no resamples were asked for.
    """

    spearman: float
    spearman_interval: Interval | None
    kendall: float
    kendall_interval: Interval | None
    n: int
    ties: int
    failures: int


def spearman(scores: ArrayLike, accuracies: ArrayLike) -> float:
    """Spearman's rank correlation with average ranks for ties.

    rho = sum_i a_i b_i / sqrt(sum_i a_i^2 * sum_i b_i^2), a and b the centered average ranks of
    `scores` and `accuracies`, both (n,) without nan. The three sums are exact integers.

    Raises InputError for nan or unequal lengths, MeasureError('degenerate') for a constant input.
    """
    x, y = orderable(scores, accuracies)
    a, b = centered_ranks(dense_codes(x)), centered_ranks(dense_codes(y))
    return inner(a, b) / math.sqrt(inner(a, a) * inner(b, b))


def kendall(scores: ArrayLike, accuracies: ArrayLike) -> float:
    """Kendall's tau-b in O(n log n).

    tau_b = (C - D) / sqrt((P - T_x)(P - T_y)): C concordant and D discordant pairs, P = n(n-1)/2
    pairs in all, T_x and T_y pairs tied in `scores` and in `accuracies`, both (n,) without nan.

    Raises InputError for nan or unequal lengths, MeasureError('degenerate') for a constant input.
    """
    x, y = orderable(scores, accuracies)
    tau = Concordance(dense_codes(x), dense_codes(y)).tau_b(np.ones(len(x)))
    if tau is None:
        raise MeasureError("degenerate", "a constant ranking has no correlation")
    return tau


def agreement(
    scores: ArrayLike,
    accuracies: ArrayLike,
    failures: str = "omit",
    resamples: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Both coefficients of one proxy with their 95 % bootstrap intervals.

    `scores` and `accuracies` are (n,); nan in `scores` is a failure, handled by the policy named
    by `failures`; nan in `accuracies` drops the architecture. No intervals for `resamples` 0.

    Raises InputError for a wrong shape or policy, MeasureError('degenerate') for a constant input.
    """
    return of_pairs(pairs(scores, accuracies, failures), resamples, seed)


def of_pairs(compared: Pairs, resamples: int, seed: int) -> Agreement:
    """`agreement` of a proxy to which the failure policy was already applied."""
    x, y = compared.scores, compared.accuracies
    rho, tau = spearman(x, y), kendall(x, y)
    rho_interval, tau_interval = bootstrap(x, y, resamples, seed) if resamples else (None, None)
    ties = tied(x[~compared.failed])
    return Agreement(rho, rho_interval, tau, tau_interval, len(x), ties, compared.failures)


def orderable(scores: ArrayLike, accuracies: ArrayLike) -> tuple[Floats, Floats]:
    """Two checked vectors of one length, neither constant."""
    x, y = matched(scores, accuracies)
    require_order(x, "scores")
    require_order(y, "accuracies")
    return x, y
