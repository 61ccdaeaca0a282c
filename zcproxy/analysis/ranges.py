"""Agreement by range of accuracy, and how good the architectures are that a proxy picks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from zcproxy.analysis.agreement import Agreement, of_pairs
from zcproxy.analysis.alignment import align, select_columns
from zcproxy.analysis.failures import Pairs, pairs
from zcproxy.analysis.halves import LEAST, random_halves
from zcproxy.analysis.matrix import Progress, interval
from zcproxy.analysis.ranks import Floats, Ints, average_ranks
from zcproxy.analysis.rows import framed, spread
from zcproxy.analysis.selection import best_share, expected_best, expected_mean, overlap, size_of
from zcproxy.analysis.table import Cells, flat
from zcproxy.errors import InputError, MeasureError

__all__ = ["accuracy_bands", "range_table", "selection_table"]

SHARES = (0.01, 0.05, 0.1, 0.25, 0.5)
"""Shares of the best by accuracy."""

COEFFICIENTS = tuple(
    f"{name}{end}" for name in ("spearman", "kendall") for end in ("", "_low", "_high")
)


def accuracy_bands(accuracies: ArrayLike, bands: int = 10) -> Ints:
    """The quantile band of every accuracy, 1 (lowest) to `bands`; equal ones share a band.

    ceil(bands * r / n) with r the average rank, so that without ties every band holds n / bands.

    Raises InputError for fewer than two bands, or nan.
    """
    if bands < 2:
        raise InputError(f"accuracies are cut into at least 2 bands, not {bands}")
    ranks = average_ranks(accuracies)
    return np.asarray(np.ceil(bands * ranks / max(1, len(ranks)) - 1e-9), dtype=np.int64)


def range_table(
    scores: pd.DataFrame,
    accuracies: pd.Series[float] | pd.DataFrame,
    proxies: Sequence[str],
    bands: int = 10,
    shares: Sequence[float] = SHARES,
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Spearman and Kendall within bands of accuracy, among the top, and over all.

    `scores` and `accuracies` are as for `agreement_table`. The bands and tops are those of all
    architectures with an accuracy, the same for every proxy; within each a proxy is judged on the
    architectures where it has a value. A narrow range leaves less order to find, so that
    coefficients of bands are below that of all even for a proxy equally good everywhere: compare
    proxies within a band, and bands by the range of accuracies that stands beside.

    Columns: proxy, range (`all`, `band 3 of 10`, `top 5 %`), accuracy_low and accuracy_high (the
    range of accuracies), spearman and kendall with _low and _high (bootstrap), n, failures, reason.
    """
    values, truth = aligned(scores, accuracies, proxies)
    ranges = accuracy_ranges(truth, bands, shares)
    rows: list[Cells] = []
    for name in values.columns:
        x = values[name].to_numpy()
        for label, mask in ranges.items():
            rows.append(range_row(str(name), label, pairs(x[mask], truth[mask]), resamples, seed))
            low, high = truth[mask].min(initial=np.inf), truth[mask].max(initial=-np.inf)
            known = bool(mask.any())
            rows[-1].values["accuracy_low"] = float(low) if known else None
            rows[-1].values["accuracy_high"] = float(high) if known else None
        if progress is not None:
            progress(len(rows) // len(ranges), len(values.columns))
    return framed(rows, ("proxy", "range"), ("n", "failures"))


def aligned(
    scores: pd.DataFrame, accuracies: pd.Series[float] | pd.DataFrame, proxies: Sequence[str]
) -> tuple[pd.DataFrame, Floats]:
    """The named proxies and the accuracies of the architectures that have both."""
    values, truth = align(scores, accuracies)
    return select_columns(values, proxies), np.asarray(truth, dtype=np.float64)


def accuracy_ranges(
    truth: Floats, bands: int, shares: Sequence[float]
) -> dict[str, NDArray[np.bool_]]:
    """Masks of all, of every band and of every top, by label."""
    if not all(0 < share <= 1 for share in shares):
        raise InputError(f"shares of the best lie in (0, 1], got {', '.join(map(str, shares))}")
    found: dict[str, NDArray[np.bool_]] = {"all": np.ones(len(truth), dtype=bool)}
    cut = accuracy_bands(truth, bands)
    found |= {f"band {b} of {bands}": cut == b for b in range(1, bands + 1)}
    for share in sorted(set(shares), reverse=True):
        found[f"top {100 * share:g} %"] = best_share(truth, share)
    return found


def range_row(name: str, label: str, compared: Pairs, resamples: int, seed: int) -> Cells:
    """The coefficients of a proxy within one range."""
    cells = Cells(name)
    cells.values["range"] = label
    cells.add(COEFFICIENTS, lambda: flat(coefficients(compared, resamples, seed)))
    cells.values |= {"n": len(compared.scores), "failures": compared.failures}
    return cells


def coefficients(compared: Pairs, resamples: int, seed: int) -> Agreement:
    """Both coefficients with intervals; a range of two or three has no interval worth the name."""
    if len(compared.scores) < 4:
        raise MeasureError("degenerate", f"only {len(compared.scores)} architectures in the range")
    return of_pairs(compared, resamples, seed)


def selection_table(
    scores: pd.DataFrame,
    accuracies: pd.Series[float] | pd.DataFrame,
    proxies: Sequence[str],
    shares: Sequence[float] = SHARES[:3],
    ks: Sequence[int] = (10, 100),
    halves: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """What the best by proxy are worth: exact expectations, ties broken at random.

    Every proxy picks among the architectures where it has a value; a share is one of all that have
    an accuracy, so that every proxy picks as many. Columns: proxy, selected
    (`top 5 %` or `10 best`), k, overlap (share of the k best by accuracy among the k best by
    proxy), mean (expected mean accuracy of the picked), regret (best accuracy minus the expected
    best among the picked), each with _low and _high; chance_overlap (k / n), chance_mean and
    chance_regret (of k picked at random); n, failures, reason.

    Intervals hold 95 % of random halves of the architectures in which as large a share is picked
    (see `analysis.halves`); selections of fewer than 10 and fewer than 20 architectures have none.
    """
    values, truth = aligned(scores, accuracies, proxies)
    rows: list[Cells] = []
    for done, name in enumerate(values.columns, start=1):
        compared = pairs(values[name].to_numpy(), truth)
        of_all = {s: size_of(s, len(truth)) for s in sorted(set(shares), reverse=True)}
        sizes = {f"top {100 * s:g} %": k for s, k in of_all.items()}
        sizes |= {f"{k} best": k for k in dict.fromkeys(ks)}
        drawn = half_selections(compared, sizes, halves, seed)
        for label, k in sizes.items():
            rows.append(selection_row(str(name), label, k, compared, drawn.get(label)))
        if progress is not None:
            progress(done, len(values.columns))
    return framed(rows, ("proxy", "selected"), ("k", "n", "failures"))


def half_selections(
    compared: Pairs, sizes: dict[str, int], halves: int, seed: int
) -> dict[str, Floats]:
    """Overlap, mean and regret (halves, 3) of every selection that is large enough to halve."""
    n = len(compared.scores)
    usable = {label: k for label, k in sizes.items() if 10 <= k <= n}
    if n < LEAST or not usable or not halves:
        return {}
    found: dict[str, list[list[float]]] = {label: [] for label in usable}
    for mask in random_halves(n, halves, seed):
        x, y = compared.scores[mask], compared.accuracies[mask]
        for label, k in usable.items():
            found[label].append(worth(x, y, max(1, round(k * len(x) / n))))
    return {label: np.array(rows) for label, rows in found.items()}


def worth(x: Floats, y: Floats, k: int) -> list[float]:
    """Overlap, mean accuracy and regret of the k best by score."""
    best = float(y.max())
    lost = max(0.0, best - expected_best(x, y, k))
    return [overlap(x, y, k), expected_mean(x, y, k), lost]


def selection_row(name: str, label: str, k: int, compared: Pairs, drawn: Floats | None) -> Cells:
    """Everything about the k best by one proxy."""
    x, y, n = compared.scores, compared.accuracies, len(compared.scores)
    cells = Cells(name)
    cells.values |= {"selected": label, "k": k}
    columns = [f"{what}{end}" for what in ("overlap", "mean", "regret") for end in ENDS]

    def numbers() -> list[float | None]:
        values: list[float | None] = []
        if not 1 <= k <= n:
            raise MeasureError("not_applicable", f"only {n} architectures to select {k} from")
        for i, value in enumerate(worth(x, y, k)):
            values += spread(value, None if drawn is None else interval(drawn[:, i]))
        return values

    def chance() -> list[float | None]:
        if not 1 <= k <= n:
            raise MeasureError("not_applicable", f"only {n} architectures to select {k} from")
        nothing = np.zeros(n)
        return worth(nothing, y, k)  # type: ignore[return-value]

    cells.add(columns, numbers)
    cells.add(["chance_overlap", "chance_mean", "chance_regret"], chance)
    cells.values |= {"n": n, "failures": compared.failures}
    return cells


ENDS = ("", "_low", "_high")
