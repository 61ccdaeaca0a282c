"""Features of architectures for models that learn: made from all rows, without a label."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from zcproxy.analysis.alignment import select_columns
from zcproxy.analysis.failures import below_all
from zcproxy.analysis.ranks import Floats, average_ranks
from zcproxy.errors import InputError

__all__ = ["feature_sets", "scaled_ranks", "unit_variance"]


def feature_sets(
    scores: pd.DataFrame, names: Sequence[str], operations: pd.DataFrame | None
) -> dict[str, Floats]:
    """What models see of the rows of `scores`: (rows, d) float64 by the name of the set.

    proxies: `scaled_ranks` of the named columns; operations: rows of the frame `operations`, which
    is indexed by architecture; both: one beside the other. Each of the first two is given
    `unit_variance`. Without `operations` there are the proxies alone.

    Raises InputError for an unknown proxy, and for an architecture without operations.
    """
    values = select_columns(scores, names)
    ranks = np.column_stack([scaled_ranks(values[name].to_numpy()) for name in values.columns])
    sets = {"proxies": unit_variance(ranks)}
    if operations is not None:
        lacking = [name for name in scores["architecture"] if name not in operations.index]
        if lacking:
            raise InputError(f"operations of {len(lacking)} architectures lack, as of {lacking[0]}")
        chosen = operations.loc[scores["architecture"]].to_numpy(dtype=np.float64)
        sets["operations"] = unit_variance(chosen)
        sets["both"] = np.hstack([sets["proxies"], sets["operations"]])
    return sets


def scaled_ranks(scores: Floats) -> Floats:
    """Average ranks from 0 (lowest) to 1 (highest); failures (nan) tie below every value."""
    return (average_ranks(below_all(scores)) - 1) / max(1, len(scores) - 1)


def unit_variance(block: Floats) -> Floats:
    """Columns centered, and all divided by one number: their variances sum to 1 (0 if constant)."""
    total = float(block.var(axis=0).sum())
    centered = block - block.mean(axis=0)
    return np.asarray(centered / (math.sqrt(total) if total > 0 else 1.0), dtype=np.float64)
