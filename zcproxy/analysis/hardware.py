"""Score, accuracy and measured cost: what a proxy finds for a device.

A proxy chooses by score and cost, both known before training; its choice is judged by accuracy.
Of architectures that tie in both it chooses one at random, and every number is the expectation:
taking all of them would give a proxy with many ties, such as a count, the whole front for nothing.
Architectures without a score are never chosen by that proxy but belong to the true front.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zcproxy.analysis.alignment import align, select_columns
from zcproxy.analysis.halves import LEAST, random_halves
from zcproxy.analysis.matrix import Progress, Rankings, interval, partial_correlation
from zcproxy.analysis.pareto import expected_hypervolume, front_in_order, tie_starts
from zcproxy.analysis.partial import partial_spearman
from zcproxy.analysis.ranks import Floats, Ints
from zcproxy.analysis.rows import framed, number, spread
from zcproxy.analysis.selection import expected_best
from zcproxy.analysis.table import Cells
from zcproxy.errors import InputError, MeasureError

__all__ = ["BUDGETS", "RANDOM", "TRUE", "Hardware", "hardware"]

TRUE = "(accuracy)"
"""The row of a choice by accuracy itself."""

RANDOM = "(random)"
"""The row of random scores, the floor."""

BUDGETS = (0.1, 0.25, 0.5, 0.75)
"""Shares of the architectures that a budget allows."""

RANDOMLY = 100
"""How many random rankings give the floor."""

ENDS = ("", "_low", "_high")


@dataclass(frozen=True, eq=False)
class Hardware:
    """What `hardware` finds: fronts and budgets per cost and proxy, and what is on the fronts."""

    table: pd.DataFrame
    budgets: pd.DataFrame
    fronts: pd.DataFrame


def hardware(
    scores: pd.DataFrame,
    accuracies: pd.Series[float] | pd.DataFrame,
    costs: pd.DataFrame,
    proxies: Sequence[str],
    budgets: Sequence[float] = BUDGETS,
    picks: Sequence[int] = (1, 10),
    resamples: int = 1000,
    halves: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
) -> Hardware:
    """Fronts by proxy against the true front, and accuracy lost within budgets, for every cost.

    Args:
        scores, accuracies: as for `agreement_table`.
        costs: indexed by architecture, one column per cost; nan where a device has none.
        budgets: shares of the architectures; the budget is the cost of the last one that fits.
        picks: how many architectures are trained of those within a budget, best score first.
        halves: random halves for the intervals of fronts and budgets, see `analysis.halves`.
        progress: called with rows done and all.

    `table`: cost, proxy, spearman (of score and cost) and partial (of score and accuracy given the
    cost, see `analysis.partial_spearman`) with bootstrap intervals, chosen (points on
    the front of score and cost), front (points on the true one), recall (share of the true points
    that are chosen), precision (share of the chosen that are true points), hypervolume (of the
    chosen architectures' true accuracies and costs, relative to that of the true front; reference:
    the median accuracy and the largest cost), the last three expectations over ties, with _low and
    _high; n (architectures with accuracy and cost), without_cost, failures, reason. `budgets`:
    cost, proxy, budget (in units of the cost), share, picks, within (architectures), best (accuracy
    within the budget), lost (best minus the expected best of the picked, ties broken at random)
    with interval, n, reason.
    `fronts`: cost, proxy, architecture, value (the cost), score, accuracy, true (on the true
    front), tied (how many there are to choose from at this point), one row per candidate.

    The proxy "(accuracy)" chooses by accuracy; "(random)" is the mean over 100 random rankings,
    with the range of 95 % of them.

    Raises InputError for an unknown proxy, no cost, or no architecture in common.
    """
    values, truth = align(scores, accuracies)
    values = select_columns(values, proxies)
    known = values.index.intersection(costs.index, sort=False)
    if known.empty or not len(costs.columns):
        raise InputError("none of the architectures with score and accuracy has a cost")
    if not all(0 < share <= 1 for share in budgets) or not all(k >= 1 for k in picks):
        raise InputError("budgets are shares in (0, 1], and at least one architecture is picked")
    rows: list[Cells] = []
    spent: list[Cells] = []
    fronts: list[pd.DataFrame] = []
    total = len(costs.columns) * (len(values.columns) + 2)
    for name in costs.columns:
        here = costs.loc[known, name].dropna().index
        here = costs.loc[here, name].sort_values(kind="stable").index
        device = Device(
            str(name),
            values.loc[here],
            truth.loc[here].to_numpy(dtype=float),
            costs.loc[here, name].to_numpy(dtype=float),
            len(values) - len(here),
            (tuple(budgets), tuple(picks)),
            (resamples, halves, seed),
        )
        for proxy in (TRUE, *map(str, values.columns), RANDOM):
            rows.append(device.row(proxy))
            spent += device.budget_rows(proxy)
            fronts += device.chosen(proxy)
            if progress is not None:
                progress(len(rows), total)
    return Hardware(
        framed(rows, ("proxy", "cost"), ("chosen", "front", "n", "without_cost", "failures")),
        framed(spent, ("proxy", "cost"), ("picks", "within", "n")),
        pd.concat(fronts, ignore_index=True),
    )


@dataclass(frozen=True, eq=False)
class Part:
    """Some architectures (places, cheapest first), the true front, its points and its volume."""

    members: Ints
    front: NDArray[np.bool_]
    points: int
    volume: float


Made = Callable[[], tuple[Floats, Floats]]


class Device:
    """One cost of all architectures, cheapest first, and what is found by any score."""

    def __init__(
        self,
        cost: str,
        values: pd.DataFrame,
        truth: Floats,
        costs: Floats,
        without: int,
        choices: tuple[tuple[float, ...], tuple[int, ...]],
        draws: tuple[int, int, int],
    ) -> None:
        self.cost, self.values, self.truth, self.costs = cost, values, truth, costs
        self.without, self.n = without, len(truth)
        self.budgets, self.picks = choices
        self.resamples, self.halves, self.seed = draws
        if self.n:
            self.worst = (float(np.median(truth)), float(costs.max()))
            self.whole = self.part(np.arange(self.n))

    def part(self, members: Ints) -> Part:
        """Some of the architectures, with the true front among them."""
        truth, costs = self.truth[members], self.costs[members]
        front = front_in_order(truth, costs)
        points = len(np.unique(costs[front]))
        volume = expected_hypervolume(truth[front], costs[front], self.worst)
        return Part(members, front, points, volume)

    @cached_property
    def parts(self) -> list[Part]:
        """The random halves, the same for all scores."""
        if self.n < LEAST:
            return []
        halves = random_halves(self.n, self.halves, self.seed)
        return [self.part(np.flatnonzero(mask)) for mask in halves]

    def scores(self, proxy: str) -> Floats:
        """Scores of all architectures, nan where there is none."""
        return self.truth if proxy == TRUE else self.values[proxy].to_numpy(dtype=float)

    def require(self) -> None:
        """Raise the reason why there are no numbers, if so."""
        if not self.n:
            raise MeasureError("not_applicable", f"no architecture has a {self.cost}")

    def row(self, proxy: str) -> Cells:
        """Everything about the front that a proxy finds."""
        cells = Cells(proxy)
        cells.values["cost"] = self.cost
        found = cache(partial(self.found_front, proxy))
        names = [f"{what}{end}" for what in ("spearman", "partial") for end in ENDS]
        if proxy == RANDOM:
            cells.values |= dict.fromkeys(names)
            failures = 0
        else:
            drawn = cache(partial(self.correlations, proxy))
            cells.add(names[:3], lambda: self.with_cost(drawn))
            cells.add(names[3:], lambda: self.given_cost(proxy, drawn))
            failures = int(np.isnan(self.scores(proxy)).sum())
        shares = [f"{what}{end}" for what in ("recall", "precision") for end in ENDS]
        cells.add(["chosen", *shares], lambda: found()[:7])
        cells.add([f"hypervolume{end}" for end in ENDS], lambda: volume(found()[7:]))
        cells.values["front"] = self.whole.points if self.n else None
        cells.values |= {"n": self.n, "without_cost": self.without, "failures": failures}
        return cells

    def correlations(self, proxy: str) -> tuple[Floats, Floats]:
        """Spearman's matrix of score, cost and accuracy, and those of resamples."""
        self.require()
        score = self.scores(proxy)
        known = ~np.isnan(score)
        if known.sum() < 2 or np.ptp(score[known]) == 0 or np.ptp(self.costs[known]) == 0:
            raise MeasureError(
                "degenerate", f"scores or costs are all equal (n = {int(known.sum()):,})"
            )
        rankings = Rankings([score[known], self.costs[known], self.truth[known]])
        return rankings.matrix(), rankings.resampled(self.resamples, self.seed)

    def with_cost(self, made: Made) -> list[float | None]:
        """Spearman of score and cost."""
        found, drawn = made()
        return spread(number(found[0, 1]), interval(drawn[:, 0, 1]))

    def given_cost(self, proxy: str, made: Made) -> list[float | None]:
        """Spearman of score and accuracy after the part that the cost explains is taken out."""
        if proxy == TRUE:
            return [None, None, None]
        drawn = made()[1]
        score = self.scores(proxy)
        known = ~np.isnan(score)
        value = partial_spearman(score[known], self.truth[known], self.costs[known])
        return spread(value, interval(partial_correlation(drawn, 0, 2, [1])))

    def found_front(self, proxy: str) -> list[float | None]:
        """Chosen, then recall, precision and hypervolume, each with its interval."""
        self.require()
        if proxy == RANDOM:
            rng = np.random.default_rng(self.seed)
            rankings = (rng.permutation(self.n).astype(np.float64) for _ in range(RANDOMLY))
            drawn = [self.numbers(ranking, self.whole) for ranking in rankings]
            means = np.array(drawn).mean(axis=0)
            return self.with_ends([round(float(means[0])), *means[1:]], drawn)
        score = self.scores(proxy)
        if np.isnan(score).all():
            raise MeasureError("degenerate", "no architecture has a score")
        drawn = [self.numbers(score, part) for part in self.parts]
        return self.with_ends(self.numbers(score, self.whole), drawn)

    def numbers(self, score: Floats, part: Part) -> list[float]:
        """Size of the chosen front, recall, precision, relative hypervolume; nan for 0 / 0."""
        truth, costs = self.truth[part.members], self.costs[part.members]
        chosen = chosen_front(score[part.members], costs)
        found, mine = part.front[chosen], costs[chosen]
        if not len(mine):
            return [0, 0.0, np.nan, 0.0 if part.volume else np.nan]
        starts = tie_starts(mine)
        hits = float((np.add.reduceat(found, starts, dtype=np.float64) / tie_sizes(mine)).sum())
        reached = expected_hypervolume(truth[chosen], mine, self.worst)
        return [
            len(starts),
            hits / part.points,
            hits / len(starts),
            min(1.0, reached / part.volume) if part.volume else np.nan,
        ]

    def with_ends(self, numbers: list[float], drawn: list[list[float]]) -> list[float | None]:
        """How many were chosen, then every other number with its interval."""
        values: list[float | None] = [numbers[0]]
        stack = np.array(drawn).reshape(-1, len(numbers))
        for i in range(1, len(numbers)):
            values += spread(number(numbers[i]), interval(stack[:, i]) if len(stack) else None)
        return values

    def budget_rows(self, proxy: str) -> list[Cells]:
        """Accuracy lost within every budget, for every number of picks."""
        rows = []
        for share in self.budgets:
            for k in self.picks:
                cells = Cells(proxy)
                cells.values |= {"cost": self.cost, "share": share, "picks": k}
                cells.add(
                    ["budget", "within", "best", "lost", "lost_low", "lost_high"],
                    partial(self.within, proxy, share, k),
                )
                cells.values["n"] = self.n
                rows.append(cells)
        return rows

    def within(self, proxy: str, share: float, k: int) -> list[float | None]:
        self.require()
        budget = self.budget(share)
        allowed = int(np.searchsorted(self.costs, budget, side="right"))
        score = np.zeros(self.n) if proxy == RANDOM else self.scores(proxy)
        lost = accuracy_lost(score[:allowed], self.truth[:allowed], k)
        inside = [p.members[: np.searchsorted(p.members, allowed)] for p in self.parts]
        drawn = [accuracy_lost(score[mine], self.truth[mine], k) for mine in inside]
        if np.isnan(lost):
            raise MeasureError(
                "not_applicable", f"fewer than {k} architectures with a score within the budget"
            )
        best = float(self.truth[:allowed].max())
        reach = interval(np.array(drawn)) if drawn else None
        return [budget, allowed, best, *spread(lost, reach)]

    def budget(self, share: float) -> float:
        """The cost of the last architecture that fits where so large a share does."""
        return float(np.quantile(self.costs, share, method="inverted_cdf"))

    def chosen(self, proxy: str) -> Iterable[pd.DataFrame]:
        """The architectures of the front by one proxy, cheapest first."""
        if proxy == RANDOM or not self.n or np.isnan(self.scores(proxy)).all():
            return
        score = self.scores(proxy)
        at = np.flatnonzero(chosen_front(score, self.costs))
        sizes = tie_sizes(self.costs[at])
        yield pd.DataFrame(
            {
                "cost": self.cost,
                "proxy": proxy,
                "architecture": self.values.index[at],
                "value": self.costs[at],
                "score": score[at],
                "accuracy": self.truth[at],
                "true": self.whole.front[at],
                "tied": np.repeat(sizes, sizes),
            }
        )


def volume(found: list[float | None]) -> list[float | None]:
    """A relative hypervolume that exists."""
    if found[0] is None:
        raise MeasureError(
            "degenerate", "no architecture is above the median accuracy and below the largest cost"
        )
    return found


def chosen_front(score: Floats, costs: Floats) -> NDArray[np.bool_]:
    """The front of score and ascending cost among the architectures that have a score."""
    usable = ~np.isnan(score)
    chosen = np.zeros(len(score), dtype=bool)
    chosen[usable] = front_in_order(score[usable], costs[usable])
    return chosen


def tie_sizes(costs: Floats) -> Ints:
    """How many architectures share every distinct cost, ascending."""
    return np.asarray(np.diff(np.append(tie_starts(costs), len(costs))), dtype=np.int64)


def accuracy_lost(score: Floats, truth: Floats, k: int) -> float:
    """Best accuracy minus the expected best of the k best scores; nan for fewer than k scores."""
    usable = ~np.isnan(score)
    if int(usable.sum()) < k:
        return float("nan")
    return max(0.0, float(truth.max()) - expected_best(score[usable], truth[usable], k))
