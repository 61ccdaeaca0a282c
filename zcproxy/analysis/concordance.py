"""Concordant and discordant pairs in O(n log n), for any multiplicities of the observations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zcproxy.analysis.ranks import Floats, Ints, dot

__all__ = ["Concordance"]


class Level(NamedTuple):
    """One bit of y: for every observation without the bit, the range of those before it with it."""

    ones: Ints
    zeros: Ints
    first: Ints
    last: Ints


class Concordance:
    """The pairs of two rankings, prepared once and then counted for any multiplicities.

    `x` and `y` are dense codes (n,). In the order of (x, y), a pair is discordant exactly when y
    strictly descends. Such a pair differs first in one binary digit of y, where the earlier
    observation has 1 and the later 0; so the digits are visited from the highest down, and at each
    one the pairs with equal higher digits are counted by a running sum. Which observations meet
    does not depend on the multiplicities: a bootstrap resample costs O(n log n) without sorting.
    """

    def __init__(self, x: Ints, y: Ints) -> None:
        if x.max() < y.max():
            x, y = y, x  # fewer digits to visit; tau-b is symmetric
        self.x, self.y = x, y
        self.xy = np.unique(x * (int(y.max()) + 1) + y, return_inverse=True)[1]
        order = np.lexsort((y, x))
        digits = int(y.max()).bit_length()
        self.levels = [level(order, y[order], bit) for bit in reversed(range(digits))]

    def discordant(self, weights: Floats) -> float:
        """Number of discordant pairs when observation i occurs weights[i] times; exact."""
        return float(sum(crossings(level, weights) for level in self.levels))

    def tau_b(self, weights: Floats) -> float | None:
        """Kendall's tau-b when observation i occurs weights[i] times; None for a constant side.

        With P all pairs, T_x, T_y and T_xy those tied in x, in y and in both, and D discordant,
        concordant minus discordant is P - T_x - T_y + T_xy - 2 D.
        """
        total = float(weights.sum())
        everything = total * (total - 1) / 2
        x, y, xy = (tied_pairs(codes, weights) for codes in (self.x, self.y, self.xy))
        if everything in (x, y):
            return None
        difference = everything - x - y + xy - 2 * self.discordant(weights)
        return difference / float(np.sqrt(everything - x) * np.sqrt(everything - y))


def level(order: Ints, y: Ints, bit: int) -> Level:
    """The pairs whose y first differs in `bit`; `order` sorts by (x, y), `y` is in that order."""
    arrangement = np.argsort(y >> (bit + 1), kind="stable")
    prefix = y[arrangement] >> (bit + 1)
    one = (y[arrangement] >> bit & 1).astype(bool)
    ones_before = np.cumsum(one) - one
    segment_first = ones_before[np.searchsorted(prefix, prefix)]
    crossed = ~one & (ones_before > segment_first)
    members = order[arrangement]
    return Level(members[one], members[crossed], segment_first[crossed], ones_before[crossed])


def crossings(level: Level, weights: Floats) -> float:
    """Weighted number of pairs of one level: sum over zeros of w * (weight of the ones before)."""
    running = np.concatenate(([0.0], np.cumsum(weights[level.ones])))
    return dot(weights[level.zeros], running[level.last] - running[level.first])


def tied_pairs(codes: Ints, weights: Floats) -> float:
    """Weighted number of pairs that share a code: sum over groups of s (s - 1) / 2."""
    sizes = np.bincount(codes, weights=weights)
    return dot(sizes, sizes - 1) / 2
