"""Numbers measured from a few seeds: means with intervals, and differences of pairs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zcproxy.analysis.uncertainty import Interval
from zcproxy.errors import InputError

__all__ = ["Difference", "mean_interval", "paired"]

Floats = NDArray[np.float64]

EXACT = 16
"""Up to so many pairs all patterns of signs are counted; beyond, they are drawn."""


@dataclass(frozen=True)
class Difference:
    """The mean difference of n pairs with its bootstrap interval, and a test against chance.

    Attributes:
        mean, low, high: nan for the interval of a single pair.
        p: of the two-sided sign-flip test. With n pairs it cannot be below 2 ** (1 - n).
        n: pairs.
    """

    mean: float
    low: float
    high: float
    p: float
    n: int


def mean_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    r"""Student's interval of the mean of n values from as many seeds.

    .. math:: \bar x \pm t_{n-1, (1 + level) / 2} \, s / \sqrt n

    With three seeds it is 4.3 standard errors wide to both sides, as it must be where so few
    values tell the spread. Both ends are nan for a single value.

    Raises: InputError if there are no values, or a level outside (0, 1).
    """
    from scipy import stats

    x = _finite(values)
    if not 0 < level < 1:
        raise InputError(f"a level is between 0 and 1, not {level}")
    if len(x) == 1:
        return Interval(float("nan"), float("nan"))
    error = float(x.std(ddof=1)) / np.sqrt(len(x))
    reach = float(stats.t.ppf((1 + level) / 2, len(x) - 1)) * error
    return Interval(float(x.mean() - reach), float(x.mean() + reach))


def paired(
    ours: ArrayLike, theirs: ArrayLike, resamples: int = 10_000, seed: int = 0, level: float = 0.95
) -> Difference:
    """Mean of ours minus theirs, pair by pair, with a percentile bootstrap interval over pairs.

    The bootstrap of few pairs is too narrow: of three pairs without any true difference, one audit
    in four gives an interval without 0. `p` knows that: it is the share of the 2^n patterns of
    signs (10,000 drawn ones beyond 16 pairs) under which the mean difference would be as far from 0
    as it is.

    Args:
        ours, theirs: (n,), element i of both from the same seed.

    Raises: InputError for unequal lengths, no pair, or values that are not finite.
    """
    x, y = _finite(ours), _finite(theirs)
    if len(x) != len(y):
        raise InputError(f"pairs need equal lengths, not {len(x)} and {len(y)}")
    differences = x - y
    n, rng = len(differences), np.random.default_rng(seed)
    low = high = float("nan")
    if n > 1:
        drawn = differences[rng.integers(n, size=(resamples, n))].mean(1)
        low, high = (float(end) for end in np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]))
    return Difference(float(differences.mean()), low, high, _sign_flip(differences, rng), n)


def _sign_flip(differences: Floats, rng: np.random.Generator) -> float:
    """Share of sign patterns with a mean at least as far from 0."""
    n = len(differences)
    if n <= EXACT:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=n)))
    else:
        signs = rng.choice((1.0, -1.0), size=(10_000, n))
        signs[0] = 1.0  # the pattern that was seen is one of them
    sums = np.abs(signs @ differences)
    seen = abs(float(differences.sum()))
    return float((sums >= seen - 1e-9 * max(seen, 1.0)).mean())


def _finite(values: ArrayLike) -> Floats:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise InputError("expected at least one value, all of them finite, in one dimension")
    return x
