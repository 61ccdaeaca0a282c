"""How far repeated scorings of the same architectures agree, and how many are enough.

The runs of a proxy differ in the seed of the initial weights, in the batch of images, or both.
Intraclass correlations are those of a two-way layout, n architectures by k runs, both random:

    MS_R = k sum_i (m_i - m)^2 / (n - 1)                       (architectures)
    MS_C = n sum_j (c_j - m)^2 / (k - 1)                       (runs)
    MS_E = sum_ij (x_ij - m_i - c_j + m)^2 / ((n - 1)(k - 1))  (what is left)

    ICC(2,1) = (MS_R - MS_E) / (MS_R + (k - 1) MS_E + k (MS_C - MS_E) / n)   absolute agreement
    ICC(3,1) = (MS_R - MS_E) / (MS_R + (k - 1) MS_E)                         consistency

Source: Shrout and Fleiss, Psychological Bulletin 86 (1979), pp. 420-428; as ICC(A,1) and ICC(C,1)
in McGraw and Wong, Psychological Methods 1 (1996), pp. 30-46. ICC(2,1) is asked of the scores
themselves: may scores of different seeds stand in one table? A single huge score can decide it.
ICC(3,1) is asked of their ranks, which all runs share, so that no run can shift them; without
ties it is the mean Spearman correlation of all pairs of runs.

Runs that share a seed while others share a batch agree more than they would by chance alone. Where
it is known what every run was made from, only pairs that share nothing count: every coefficient is
the mean over these pairs (an intraclass correlation that of two runs), and averages are compared
whose runs, all together, share nothing. What averaging adds to the agreement with accuracy
(`single`, `averaged`, `gain`) is of all runs instead, whatever they share.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from zcproxy.analysis.averaging import PREDICTION, averaged_prediction
from zcproxy.analysis.matrix import Progress, Rankings, drawn_weights, ends, interval
from zcproxy.analysis.ranks import Floats
from zcproxy.analysis.rows import framed, number, spread
from zcproxy.analysis.table import Cells
from zcproxy.analysis.uncertainty import resampled_ranks
from zcproxy.errors import InputError, MeasureError

__all__ = [
    "AVERAGED",
    "TARGETS",
    "Stability",
    "averages",
    "intraclass",
    "needed",
    "spearman_brown",
    "stability",
]

TARGETS = (0.9, 0.95, 0.99)
"""Agreements of two averages for which the number of runs is stated."""

AVERAGED = tuple(range(1, 11))
"""Sizes of averages for which agreement is predicted."""

Pair = tuple[int, int]

SPLITS = 20
"""At most so many ways to split the runs into two groups are measured."""


@dataclass(frozen=True, eq=False)
class Stability:
    """What `stability` finds: one row per proxy, per pair of runs, and per size of averages."""

    table: pd.DataFrame
    pairs: pd.DataFrame
    curve: pd.DataFrame


def intraclass(values: ArrayLike, weights: ArrayLike | None = None) -> tuple[float, float]:
    """ICC(2,1) and ICC(3,1) of (k, n) values: k runs of the same n architectures.

    The formulas are those of this module. `weights` (n,) say how often an architecture occurs.

    Raises InputError for fewer than two runs or values that are not finite, and
    MeasureError('degenerate') where there are fewer than two architectures or all values are equal.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 2 or len(x) < 2 or not np.isfinite(x).all():
        raise InputError("an intraclass correlation needs (k, n) finite values with k >= 2")
    w = np.ones(x.shape[1]) if weights is None else np.asarray(weights, dtype=np.float64)
    k, n = len(x), float(w.sum())
    if n < 2:
        raise MeasureError("degenerate", f"{n:g} architecture(s); intraclass correlation needs 2")
    x = x / (np.abs(x).max() or 1.0)  # squares of scores such as 1e200 would not be finite
    rows, columns = x.mean(axis=0), x @ w / n
    mean = float(columns.mean())
    left = x - rows - columns[:, None] + mean
    between = k * float(w @ (rows - mean) ** 2) / (n - 1)
    runs = n * float(((columns - mean) ** 2).sum()) / (k - 1)
    error = float((left**2 @ w).sum()) / ((n - 1) * (k - 1))
    within = between + (k - 1) * error
    if within == 0:
        raise MeasureError("degenerate", "all architectures score the same in every run")
    absolute = within + k * (runs - error) / n
    return (between - error) / absolute, (between - error) / within


def spearman_brown(single: float, averaged: float) -> float:
    """Predicted correlation of two averages of m runs each: m r / (1 + (m - 1) r).

    r is the correlation of two single runs. Source: Spearman, and Brown, British Journal of
    Psychology 3 (1910). Exact for Pearson's correlation and equally noisy runs; for ranks an
    approximation, which is why the measured agreement stands beside it.

    Raises MeasureError('degenerate') for r <= 0: runs that do not agree have no noise that
    averaging would take away, and the formula has a pole at r = -1 / (m - 1).
    """
    if single <= 0:
        raise MeasureError("degenerate", "the runs do not agree, so nothing is predicted")
    return averaged * single / (1 + (averaged - 1) * single)


def needed(single: float, target: float) -> int | None:
    """The least m for which `spearman_brown(single, m)` reaches `target`; None where none does.

    m = target (1 - r) / (r (1 - target)), rounded up.
    """
    if single <= 0:
        return None
    exact = target * (1 - single) / (single * (1 - target))
    return max(1, math.ceil(exact - 1e-9))


def averages(
    ranks: Floats, size: int, usable: Collection[Pair] | None = None
) -> list[tuple[Floats, Floats]]:
    """Mean ranks over two disjoint groups of `size` of the k runs, (k, n) ranks; up to 20 ways.

    All unordered pairs of groups where there are at most 20, else 20 evenly spread among them.
    With `usable`, pairs (i, j) with i < j, only groups all pairs of whose 2 `size` runs are such.
    """
    everyone = range(len(ranks))
    apart = set(itertools.combinations(everyone, 2) if usable is None else usable)

    def groups(runs: Sequence[int]) -> list[tuple[int, ...]]:
        """Those of `size` of these runs that share nothing among themselves."""
        made = itertools.combinations(runs, size)
        return [one for one in made if apart.issuperset(itertools.combinations(one, 2))]

    ways = []
    for one in groups(everyone):
        others = [j for j in everyone if all((min(i, j), max(i, j)) in apart for i in one)]
        ways += [(one, other) for other in groups(others) if one < other]
    if len(ways) > SPLITS:
        ways = [ways[i * len(ways) // SPLITS] for i in range(SPLITS)]
    return [(ranks[list(one)].mean(axis=0), ranks[list(other)].mean(axis=0)) for one, other in ways]


def stability(
    runs: Mapping[str, pd.DataFrame],
    proxies: Sequence[str],
    varying: str = "seed",
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
    made_from: Mapping[str, tuple[Hashable, ...]] | None = None,
    accuracies: pd.Series[float] | None = None,
) -> Stability:
    """Agreement of runs, proxy by proxy, with 95 % bootstrap intervals over architectures.

    Args:
        runs: by label, frames indexed by architecture with one float column per proxy, nan for a
            failure. Compared are the architectures of all frames in which all runs have a value.
        varying: what differs between the runs, in words; becomes a column.
        progress: called with proxies done and their number.
        made_from: by label, what a run was made from, such as (seed of the weights, seed of the
            batch). Pairs of runs that are equal in one of these are left out of every mean; None
            where all runs are equally far apart.
        accuracies: indexed by architecture; with them, what averaging all runs adds to the
            agreement with accuracy (see `analysis.averaging`), whatever `made_from` says.

    `table`: proxy, varying, runs (k), compared (pairs of runs in the means), n, incomplete
    (architectures without a value in some run), icc (2,1, of scores), icc_ranks (3,1, of ranks),
    spearman (mean over pairs of runs), each with _low and _high, spearman_least and spearman_most
    (over pairs), and needed90, needed95, needed99 (how many runs' mean ranks agree so well with
    those of as many others, Spearman-Brown) with _low and _high; with accuracies also single,
    averaged and gain with _low and _high, single_least, single_most and n_accuracy; reason.
    `pairs`: proxy, varying, run, other, spearman, with interval, n, entered (1 for a pair in the
    means, else 0), reason.
    `curve`: proxy, varying, averaged (m), predicted, measured, each with interval, splits, n,
    reason. An end of `predicted` at or below 0 for single runs is left empty, as nothing is
    predicted from it. `measured` is the mean correlation of mean ranks over disjoint groups of m
    runs; it needs 2m runs.

    Raises InputError for fewer than two runs, a proxy that a frame lacks, no architecture in
    common, or where every pair of runs shares something.
    """
    if len(runs) < 2:
        raise InputError("stability needs at least two runs of the same architectures")
    shared = common_architectures(runs)
    usable = pairs_apart(list(runs), made_from)
    truth = None if accuracies is None else np.asarray(accuracies.reindex(shared), np.float64)
    rows: list[Cells] = []
    pairs: list[Cells] = []
    curve: list[Cells] = []
    for done, name in enumerate(proxies, start=1):
        values = np.stack([run.loc[shared, name].to_numpy(dtype=float) for run in runs.values()])
        one = OneProxy(name, varying, list(runs), values, usable, truth, resamples, seed)
        rows.append(one.row())
        pairs += one.pairs()
        curve += one.curve()
        if progress is not None:
            progress(done, len(proxies))
    text = ("proxy", "varying")
    whole = ["runs", "compared", "n", "incomplete", "splits", "n_accuracy", "entered"]
    whole += [f"{name}{end}" for name in NEEDED for end in ("", "_low", "_high")]
    return Stability(
        framed(rows, text, whole),
        framed(pairs, (*text, "run", "other"), whole),
        framed(curve, text, [*whole, "averaged"]),
    )


NEEDED = tuple(f"needed{100 * target:.0f}" for target in TARGETS)


def common_architectures(runs: Mapping[str, pd.DataFrame]) -> pd.Index[str]:
    """The architectures of all frames, in the order of the first one."""
    first, *others = runs.values()
    shared = first.index
    for other in others:
        shared = shared.intersection(other.index, sort=False)
    if shared.empty:
        raise InputError(f"no architecture is in all of {', '.join(runs)}")
    return shared


def pairs_apart(
    labels: Sequence[str], made_from: Mapping[str, tuple[Hashable, ...]] | None
) -> list[Pair]:
    """The pairs (i, j), i < j, of runs that have nothing in common of what they were made from."""
    every = list(itertools.combinations(range(len(labels)), 2))
    if made_from is None:
        return every
    of = [made_from[label] for label in labels]
    apart = [(i, j) for i, j in every if all(a != b for a, b in zip(of[i], of[j], strict=True))]
    if not apart:
        raise InputError(f"every two of {', '.join(labels)} share a seed or a batch")
    return apart


class OneProxy:
    """All numbers of one proxy, from (k, n) scores in which nan is a failure.

    `usable` are the pairs of runs that count; `truth` (n,) the accuracies, where there are any.
    """

    def __init__(
        self,
        name: str,
        varying: str,
        labels: list[str],
        values: Floats,
        usable: list[Pair],
        truth: Floats | None,
        resamples: int,
        seed: int,
    ) -> None:
        self.name, self.varying, self.labels, self.usable = name, varying, labels, usable
        complete = ~np.isnan(values).any(axis=0)
        self.values = values[:, complete]
        self.truth = None if truth is None else truth[complete]
        self.k, self.n = self.values.shape
        self.incomplete = int((~complete).sum())
        self.resamples, self.seed = resamples, seed
        self.problem = self.why_not()
        if self.problem is None:
            self.rankings = Rankings(list(self.values))
            self.found = self.rankings.matrix()
            self.drawn = self.rankings.resampled(resamples, seed)
            first, second = zip(*usable, strict=True)
            self.upper = np.array(first), np.array(second)

    def why_not(self) -> str | None:
        """Why this proxy has no agreement, if it has none."""
        if self.n < 2:
            return f"{self.n} architecture(s) with a value in all runs; agreement needs 2"
        flat = [
            label for label, run in zip(self.labels, self.values, strict=True) if np.ptp(run) == 0
        ]
        return f"all scores are equal in {', '.join(flat)}" if flat else None

    def cells(self, **facts: str | float) -> Cells:
        """A row of a table with what all rows have."""
        cells = Cells(self.name)
        cells.values |= {"varying": self.varying, **facts}
        return cells

    def require(self) -> None:
        """Raise the reason why there are no numbers, if so."""
        if self.problem is not None:
            raise MeasureError("degenerate", self.problem)

    def row(self) -> Cells:
        """Everything in one row."""
        cells = self.cells(
            runs=self.k, compared=len(self.usable), n=self.n, incomplete=self.incomplete
        )
        cells.add(["icc", "icc_low", "icc_high"], self.icc_of_scores)
        cells.add(["icc_ranks", "icc_ranks_low", "icc_ranks_high"], self.icc_of_ranks)
        cells.add(["spearman", "spearman_low", "spearman_high"], self.mean_spearman)
        cells.add(["spearman_least", "spearman_most"], self.extremes)
        for name, target in zip(NEEDED, TARGETS, strict=True):
            cells.add([name, f"{name}_low", f"{name}_high"], partial(self.enough, target))
        if self.truth is not None:
            cells.add(PREDICTION, self.prediction)
            cells.values["n_accuracy"] = int((~np.isnan(self.truth)).sum())
        return cells

    def prediction(self) -> list[float | None]:
        self.require()
        assert self.truth is not None
        return averaged_prediction(self.values, self.truth, self.resamples, self.seed)

    def groups(self) -> list[list[int]]:
        """The runs of every intraclass correlation: all, or by twos where some share something."""
        every = len(self.usable) == self.k * (self.k - 1) // 2
        return [list(range(self.k))] if every else [list(pair) for pair in self.usable]

    def icc_of_scores(self) -> list[float | None]:
        self.require()
        if np.isinf(self.values).any():
            raise MeasureError("nonfinite", "some scores are infinite")
        value = self.mean_icc(self.values, None, 0)
        rng = np.random.default_rng(self.seed)
        drawn = []
        for _ in range(self.resamples):
            weights = drawn_weights(self.n, rng)
            drawn.append(attempted(self.mean_icc, self.values, weights, 0))
        return spread(value, interval(np.array(drawn)))

    def icc_of_ranks(self) -> list[float | None]:
        self.require()
        value = self.mean_icc(self.ranks(np.ones(self.n)), None, 1)
        rng = np.random.default_rng(self.seed)
        drawn = []
        for _ in range(self.resamples):
            weights = drawn_weights(self.n, rng)
            drawn.append(attempted(self.mean_icc, self.ranks(weights), weights, 1))
        return spread(value, interval(np.array(drawn)))

    def mean_icc(self, values: Floats, weights: Floats | None, which: int) -> float:
        """ICC(2,1) or ICC(3,1), the mean over `groups`."""
        found = [intraclass(values[group], weights)[which] for group in self.groups()]
        return sum(found) / len(found)

    def ranks(self, weights: Floats) -> Floats:
        """Centered ranks of every run, (k, n)."""
        return np.stack([resampled_ranks(codes, weights)[0] for codes in self.rankings.codes])

    def singles(self) -> Floats:
        """Mean correlation of two runs in every resample."""
        return np.asarray(self.drawn[:, *self.upper].mean(axis=1), dtype=np.float64)

    def mean_spearman(self) -> list[float | None]:
        self.require()
        return spread(float(self.found[self.upper].mean()), interval(self.singles()))

    def extremes(self) -> list[float | None]:
        self.require()
        between = self.found[self.upper]
        return [float(between.min()), float(between.max())]

    def enough(self, target: float) -> list[float | None]:
        self.require()
        single, low, high = self.mean_spearman()
        least = needed(single or 0.0, target)
        if least is None:
            raise MeasureError("degenerate", "the runs do not agree at all, so no number is enough")
        if low is None or high is None:
            return [least, None, None]
        return [least, needed(high, target), needed(low, target)]

    def pairs(self) -> list[Cells]:
        """One row per pair of runs."""
        rows = []
        low, high = (None, None) if self.problem else ends(self.drawn)
        for i, j in itertools.combinations(range(self.k), 2):
            cells = self.cells(run=self.labels[i], other=self.labels[j])

            def numbers(i: int = i, j: int = j) -> list[float | None]:
                self.require()
                assert low is not None and high is not None
                return [number(self.found[i, j]), number(low[i, j]), number(high[i, j])]

            cells.add(["spearman", "spearman_low", "spearman_high"], numbers)
            cells.values |= {"n": self.n, "entered": int((i, j) in self.usable)}
            rows.append(cells)
        return rows

    def curve(self) -> list[Cells]:
        """One row per size of averages."""
        rows = []
        for size in AVERAGED:
            cells = self.cells(averaged=size)
            cells.add(
                ["predicted", "predicted_low", "predicted_high"],
                partial(self.predicted, size),
            )
            cells.add(
                ["measured", "measured_low", "measured_high", "splits"],
                partial(self.measured, size),
            )
            cells.values["n"] = self.n
            rows.append(cells)
        return rows

    def predicted(self, size: int) -> list[float | None]:
        single, low, high = self.mean_spearman()
        reach = [
            None if end is None or end <= 0 else spearman_brown(end, size) for end in (low, high)
        ]
        return [spearman_brown(single or 0.0, size), *reach]

    def measured(self, size: int) -> list[float | None]:
        self.require()
        if 2 * size > self.k:
            raise MeasureError("not_applicable", f"needs {2 * size} runs to be measured")
        if size == 1:
            return [*self.mean_spearman(), len(self.upper[0])]
        pairs = averages(self.ranks(np.ones(self.n)), size, self.usable)
        if not pairs:
            raise MeasureError(
                "not_applicable", f"needs {2 * size} runs of which no two share a seed or a batch"
            )
        compared = [Rankings(pair) for pair in pairs]
        value = float(np.mean([one.matrix()[0, 1] for one in compared]))
        drawn = [one.resampled(self.resamples, self.seed)[:, 0, 1] for one in compared]
        return [*spread(number(value), interval(np.mean(drawn, axis=0))), len(pairs)]


def attempted(
    compute: Callable[[Floats, Floats, int], float], values: Floats, weights: Floats, which: int
) -> float:
    """ICC(2,1) or ICC(3,1) of a resample; nan where it has none."""
    try:
        return compute(values, weights, which)
    except MeasureError:
        return math.nan
