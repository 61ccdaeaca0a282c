"""Candidates in order, best first, with shared ranks and reasons for those without a score."""

from __future__ import annotations

import numpy as np
import pandas as pd

from zcproxy.analysis.alignment import select_columns
from zcproxy.analysis.combine import Combination, combine

__all__ = ["ranking"]


def ranking(scores: pd.DataFrame, combination: Combination) -> pd.DataFrame:
    """Candidates by one proxy or a combination, best first; those without a score come last.

    `scores` has the column `architecture`, a float column per proxy (nan for a failure) and
    possibly `<proxy>_failure`. Columns of the result: rank (1 the best; ties share the smallest
    rank of theirs, and keep the order of `scores`; <NA> without a score), architecture, score,
    the proxies of a combination, reason (of a failure, else None).

    Raises InputError for a proxy that is not a column.
    """
    combined = combine(scores, combination)
    ranks = combined.rank(method="min", ascending=False).astype("Int64")
    parts = select_columns(scores, combination.proxies) if combination.rule else pd.DataFrame()
    columns = {"rank": ranks, "architecture": scores["architecture"], "score": combined}
    result = pd.DataFrame(columns | {str(name): parts[name] for name in parts.columns})
    reasons = [
        reason(scores.iloc[i], combination) if missing else None
        for i, missing in enumerate(combined.isna())
    ]
    result["reason"] = pd.Series(reasons, index=result.index, dtype=object)
    order = np.argsort(-combined.to_numpy(), kind="stable")
    numbers = {name: "Float64" for name in result.columns if name not in TEXT}
    return result.iloc[order].reset_index(drop=True).astype(numbers)


TEXT = ("rank", "architecture", "reason")


def reason(row: pd.Series[float], combination: Combination) -> str:
    """Which proxies of the combination have no value here, and why."""
    texts = []
    for name in combination.proxies:
        if pd.isna(row[name]):
            stated = row.get(f"{name}_failure")
            texts.append(f"{name}: {'no reason stated' if pd.isna(stated) else stated}")
    return "; ".join(texts)
