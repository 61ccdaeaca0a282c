"""How much of the differences between accuracies is luck, and what that leaves for a proxy."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from zcproxy.analysis.agreement import spearman
from zcproxy.errors import InputError, MeasureError

__all__ = ["NoiseCeiling", "noise_ceiling"]


@dataclass(frozen=True)
class NoiseCeiling:
    """Agreement of repeated trainings, and the highest correlation that it lets a proxy reach.

    Attributes:
        networks: how many were trained from every seed.
        seeds: k, how many trainings each had.
        between_seeds: r, Spearman's correlation of two seeds, mean over all pairs of seeds.
        reliability: of the mean over k seeds, k r / (1 + (k - 1) r).
        ceiling: the square root of the reliability.
    """

    networks: int
    seeds: int
    between_seeds: float
    reliability: float
    ceiling: float


def noise_ceiling(accuracies: pd.DataFrame) -> NoiseCeiling:
    """The noise ceiling of correlations with the mean accuracy over seeds.

    Two seeds of the same networks correlate with r. The mean over k seeds would correlate with
    that of k other seeds with R = k r / (1 + (k - 1) r) (Spearman-Brown), and with the expected
    accuracy, which no k seeds show exactly, with sqrt(R). A proxy that ordered networks by
    expected accuracy would hence reach sqrt(R), and on average none can do better.
    The formulas are those of Pearson's correlation and equally noisy seeds; for ranks
    they are an approximation. Only luck of initial weights and order of images counts as noise: all
    trainings share training and test images, whose choice this says nothing about.

    Args:
        accuracies: (networks, k), one column per seed; rows with a missing value are left out.

    Raises: InputError for fewer than two columns, MeasureError('degenerate') where all accuracies
        of a seed are equal, or seeds do not agree at all (r <= 0).
    """
    seeds = accuracies.shape[1]
    if seeds < 2:
        raise InputError(f"noise is seen in at least two trainings per network, not in {seeds}")
    columns = accuracies.dropna().to_numpy(dtype=np.float64).T
    pairs = list(itertools.combinations(columns, 2))
    r = sum(spearman(one, other) for one, other in pairs) / len(pairs)
    if r <= 0:
        raise MeasureError("degenerate", f"the seeds do not agree (mean correlation {r:.3f})")
    reliability = seeds * r / (1 + (seeds - 1) * r)
    return NoiseCeiling(columns.shape[1], seeds, r, reliability, math.sqrt(reliability))
