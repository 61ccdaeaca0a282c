"""Percentile bootstrap of rank correlations, resampling architectures."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from zcproxy.analysis.concordance import Concordance
from zcproxy.analysis.ranks import (
    Floats,
    Ints,
    dense_codes,
    dot,
    matched,
    positions,
    require_order,
)
from zcproxy.errors import InputError

__all__ = ["Interval", "bootstrap"]


class Interval(NamedTuple):
    """The two ends of a confidence interval."""

    low: float
    high: float


def bootstrap(
    scores: ArrayLike,
    accuracies: ArrayLike,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Interval, Interval]:
    """Percentile intervals of Spearman's rho and of Kendall's tau-b, from the same resamples.

    `scores` and `accuracies` are (n,) without nan. Each resample draws n architectures with
    replacement; it is represented by how often each was drawn, so that ranks come from running
    sums over the sorted values and nothing is sorted again. The ends are the (1 - level) / 2 and
    (1 + level) / 2 quantiles, linearly interpolated. A resample in which one side is constant has
    no correlation and is drawn again.

    Raises InputError for nan, unequal lengths, `resamples` < 1 or a level outside (0, 1), and
    MeasureError('degenerate') for a constant input.
    """
    if resamples < 1 or not 0 < level < 1:
        raise InputError(
            f"bootstrap needs resamples >= 1 and 0 < level < 1, got {resamples} and {level}"
        )
    x, y = matched(scores, accuracies)
    require_order(x, "scores")
    require_order(y, "accuracies")
    drawn = coefficients(dense_codes(x), dense_codes(y), resamples, np.random.default_rng(seed))
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return Interval(float(low[0]), float(high[0])), Interval(float(low[1]), float(high[1]))


def coefficients(x: Ints, y: Ints, resamples: int, rng: np.random.Generator) -> Floats:
    """(rho, tau-b) of every resample, shape (resamples, 2); undefined ones are drawn again."""
    concordance, n = Concordance(x, y), len(x)
    drawn: list[tuple[float, float]] = []
    while len(drawn) < resamples:
        weights = np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)
        tau = concordance.tau_b(weights)
        if tau is not None:
            drawn.append((weighted_spearman(x, y, weights), tau))
    return np.array(drawn)


def weighted_spearman(x: Ints, y: Ints, weights: Floats) -> float:
    """Spearman's rho of dense codes (n,) when observation i occurs weights[i] times."""
    a, a_squares = resampled_ranks(x, weights)
    b, b_squares = resampled_ranks(y, weights)
    return dot(weights * a, b) / math.sqrt(a_squares * b_squares)


def resampled_ranks(codes: Ints, weights: Floats) -> tuple[Floats, float]:
    """Centered average ranks of every observation, and the weighted sum of their squares."""
    sizes = np.bincount(codes, weights=weights)
    groups = np.asarray(positions(sizes), dtype=np.float64)
    return groups[codes], dot(sizes, groups * groups)
