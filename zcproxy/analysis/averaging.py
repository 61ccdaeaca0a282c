"""Do averages over repeated scorings predict accuracy better than one scoring does?"""

from __future__ import annotations

import numpy as np

from zcproxy.analysis.agreement import spearman
from zcproxy.analysis.matrix import Rankings, interval
from zcproxy.analysis.ranks import Floats, average_ranks, require_order
from zcproxy.analysis.rows import number, spread

__all__ = ["PREDICTION", "averaged_prediction"]

ENDS = ("", "_low", "_high")

PREDICTION = [
    *(f"single{end}" for end in (*ENDS, "_least", "_most")),
    *(f"{name}{end}" for name in ("averaged", "gain") for end in ENDS),
]
"""What `averaged_prediction` returns."""


def averaged_prediction(
    values: Floats, accuracies: Floats, resamples: int = 1000, seed: int = 0
) -> list[float | None]:
    """Spearman with accuracy of k single runs, and of the mean of their ranks.

    `values` are (k, n) scores without nan, `accuracies` (n,), nan where there is none. A run's
    ranks are taken among all n architectures; correlations among those with an accuracy. All k
    runs enter, whether or not some of them share a seed or a batch.

    Returns the numbers of `PREDICTION`: the mean over single runs with its 95 % bootstrap interval
    over architectures, the least and the most of them; the Spearman of the mean rank with its
    interval; and the second minus the first, paired within resamples. None for intervals without
    resamples.

    Raises InputError for nan in `values`, MeasureError('degenerate') for a constant ranking.
    """
    known = ~np.isnan(accuracies)
    truth = accuracies[known]
    require_order(truth, "accuracies")
    ranks = np.stack([average_ranks(run) for run in values])
    columns = [*ranks[:, known], ranks.mean(axis=0)[known]]
    found = np.array([spearman(column, truth) for column in columns])
    rankings = Rankings([truth, *columns])
    drawn = rankings.resampled(resamples, seed)[:, 0, 1:]

    def of(which: Floats) -> list[float | None]:
        """One number from the correlations (..., k + 1) of all columns, with its interval."""
        return spread(number(found @ which), interval(drawn @ which))

    k = len(values)
    single = np.append(np.full(k, 1 / k), 0.0)
    averaged = np.append(np.zeros(k), 1.0)
    least, most = float(found[:-1].min()), float(found[:-1].max())
    return [*of(single), least, most, *of(averaged), *of(averaged - single)]
