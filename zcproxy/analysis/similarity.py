"""How alike the rankings of two proxies are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import pandas as pd

from zcproxy.analysis.agreement import spearman
from zcproxy.analysis.alignment import score_columns, select_columns
from zcproxy.errors import MeasureError

__all__ = ["proxy_correlations", "similarity_order"]


def proxy_correlations(scores: pd.DataFrame, proxies: Sequence[str] | None = None) -> pd.DataFrame:
    """Spearman's correlation of every pair of proxies, each over the rows where both have values.

    `scores` has one float column per proxy, nan for failures. Returns a square frame, 1 on the
    diagonal; <NA> where one proxy is constant on the common rows.
    """
    values = select_columns(scores, score_columns(scores) if proxies is None else proxies)
    names = list(values.columns)
    found: dict[tuple[str, str], float | None] = {}
    for left, right in combinations_with_replacement(names, 2):
        found[left, right] = found[right, left] = similarity(values[left], values[right])
    rows = [[found[left, right] for right in names] for left in names]
    return pd.DataFrame(rows, index=names, columns=names).astype("Float64")


def similarity(left: pd.Series[float], right: pd.Series[float]) -> float | None:
    """Spearman's correlation over the rows where both have values; None where there is none."""
    both = left.notna() & right.notna()
    try:
        return spearman(left[both].to_numpy(), right[both].to_numpy())
    except MeasureError:
        return None


def similarity_order(correlations: pd.DataFrame) -> list[str]:
    """The proxies of a square frame in an order that puts similar rankings beside each other.

    Average-linkage clustering with the distance 1 - r, leaves ordered so that neighbors are as
    close as the tree allows (Bar-Joseph et al. 2001); a missing correlation counts as 0.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    names = [str(name) for name in correlations.columns]
    if len(names) < 3:
        return names
    distance = 1 - correlations.astype("Float64").fillna(0.0).to_numpy(dtype=float)
    condensed = squareform(distance, checks=False)
    return [names[i] for i in leaves_list(linkage(condensed, "average", optimal_ordering=True))]
