"""How good the architectures are that a proxy would pick.

Ties are broken at random in the definitions and averaged over exactly in the computation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zcproxy.analysis.agreement import spearman
from zcproxy.analysis.ranks import Floats, matched, numbers, same_length, vector
from zcproxy.errors import InputError, MeasureError

__all__ = [
    "best_share",
    "expected_best",
    "expected_mean",
    "overlap",
    "regret",
    "size_of",
    "top_spearman",
    "usable_sizes",
]


def best_share(accuracies: ArrayLike, fraction: float) -> NDArray[np.bool_]:
    """Which architectures are the best `fraction` by accuracy, (n,) mask.

    Of n the best m = `size_of(fraction, n)`, together with all that tie with the m-th.

    Raises InputError for nan or a fraction outside (0, 1].
    """
    y = vector(accuracies, "accuracies")
    if not 0 < fraction <= 1:
        raise InputError(f"the top fraction must lie in (0, 1], got {fraction}")
    if len(y) == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(y >= kth_largest(y, size_of(fraction, len(y))))


def size_of(fraction: float, n: int) -> int:
    """How many architectures a share of n is, at least one (half to even)."""
    return max(1, round(fraction * n))


def usable_sizes(sizes: Sequence[int], n: int) -> tuple[tuple[int, ...], list[str]]:
    """Sizes of selections, each once, without those that select all n; a note on these."""
    distinct = dict.fromkeys(sizes)
    large = [str(size) for size in distinct if size >= n]
    kept = tuple(size for size in distinct if size < n)
    if not large:
        return kept, []
    note = f"k = {', '.join(large)} left out: only {n:,} with scores and accuracy, all selected"
    return kept, [note]


def top_spearman(scores: ArrayLike, accuracies: ArrayLike, fraction: float = 0.1) -> float:
    """Spearman's correlation among the best `fraction` of the architectures by accuracy.

    The best are those of all n architectures (`best_share`), the same for every proxy; those of
    them without a score (nan) are then left out. `scores` and `accuracies` are (n,).

    Raises InputError for nan among the accuracies, unequal lengths or a fraction outside (0, 1],
    and MeasureError('degenerate') when the scores or accuracies of the best are all equal.
    """
    x, y = numbers(scores, "scores"), vector(accuracies, "accuracies")
    same_length(x, y)
    best = best_share(y, fraction) & ~np.isnan(x)
    return spearman(x[best], y[best])


def overlap(scores: ArrayLike, accuracies: ArrayLike, k: int) -> float:
    """Expected share of the k best by accuracy among the k best by proxy.

    E|S ∩ A| / k = (1/k) sum_i P(i in S) P(i in A), where S and A are the first k of two rankings
    whose ties are broken at random, independently of each other. `scores` and `accuracies` are
    (n,) without nan. A random proxy gets k / n on average.

    Raises InputError for nan, unequal lengths or k < 1, MeasureError('not_applicable') for k > n.
    """
    x, y = matched(scores, accuracies)
    require_k(k, len(x))
    return float(np.dot(chances(x, k), chances(y, k))) / k


def regret(scores: ArrayLike, accuracies: ArrayLike, k: int) -> float:
    """Accuracy lost by training only the k best by proxy and keeping the best of them.

    max_i y_i - E[max of y over the k best by proxy], ties of the proxy broken at random; in the
    units of `accuracies` (percentage points), never negative. Both are (n,) without nan.

    Raises InputError for nan, unequal lengths or k < 1, MeasureError('not_applicable') for k > n.
    """
    _, y = matched(scores, accuracies)
    return max(0.0, float(y.max(initial=-np.inf)) - expected_best(scores, accuracies, k))


def expected_best(scores: ArrayLike, accuracies: ArrayLike, k: int) -> float:
    """Expected accuracy of the best among the k best by proxy, ties broken at random.

    The c architectures strictly above the k-th score are in for certain; the other m = k - c are
    drawn without replacement from the t that tie at it. With these t accuracies descending,
    the j-th (from 1) is the best one drawn with probability binom(t - j, m - 1) / binom(t, m)
    (hypergeometric), and E = sum_j P_j max(best certain one, j-th).

    Raises InputError for nan, unequal lengths or k < 1, MeasureError('not_applicable') for k > n.
    """
    x, y = matched(scores, accuracies)
    require_k(k, len(x))
    threshold = kth_largest(x, k)
    certain = y[x > threshold]
    border = np.sort(y[x == threshold])[::-1]
    best = np.maximum(border, certain.max(initial=-np.inf))
    return float(np.dot(best_drawn(len(border), k - len(certain)), best))


def expected_mean(scores: ArrayLike, accuracies: ArrayLike, k: int) -> float:
    """Expected mean accuracy of the k best by proxy, ties broken at random.

    (1/k) sum_i P(i in S) y_i, S the first k of the ranking. Both are (n,) without nan.

    Raises InputError for nan, unequal lengths or k < 1, MeasureError('not_applicable') for k > n.
    """
    x, y = matched(scores, accuracies)
    require_k(k, len(x))
    return float(np.dot(chances(x, k), y)) / k


def best_drawn(t: int, m: int) -> Floats:
    """P_j, j = 1..t: the j-th of t is the first one in a uniform draw of m without replacement.

    Given that none of the first j - 1 was drawn, the j-th is with probability m / (t - j + 1).
    """
    hit = np.minimum(1.0, m / np.arange(t, 0, -1))
    missed_before = np.concatenate(([1.0], np.cumprod(1 - hit)[:-1]))
    return np.asarray(missed_before * hit, dtype=np.float64)


def chances(values: Floats, k: int) -> Floats:
    """Probability of every element to be among the k largest, ties broken at random."""
    threshold = kth_largest(values, k)
    above, border = values > threshold, values == threshold
    share = (k - int(above.sum())) / int(border.sum())
    return np.where(above, 1.0, np.where(border, share, 0.0))


def kth_largest(values: Floats, k: int) -> float:
    """The k-th largest value, k from 1."""
    return float(np.partition(values, len(values) - k)[len(values) - k])


def require_k(k: int, n: int) -> None:
    """Raise InputError for k < 1, MeasureError where there are fewer than k to choose from."""
    if k < 1:
        raise InputError(f"cannot select the best {k} architectures; choose k >= 1")
    if k > n:
        raise MeasureError("not_applicable", f"only {n} architectures to select {k} from")
