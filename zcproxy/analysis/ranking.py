"""Candidates in order, best first, with shared ranks and reasons for those without a score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from zcproxy.analysis.combine import Combination, combined, with_combinations
from zcproxy.analysis.lacking import Flags

__all__ = ["ranking"]


def ranking(scores: pd.DataFrame, combination: Combination) -> pd.DataFrame:
    """Candidates by one proxy or a combination, best first; those without a score come last.

    `scores` has the column `architecture`, a float column per proxy (nan for a failure) and
    possibly `<proxy>_failure`. Columns of the result: rank (1 the best; ties share the smallest
    rank of theirs, and keep the order of `scores`; <NA> without a score), architecture, score,
    the proxies of a combination (and the combinations of one), reason (why there is no score, else
    None).

    Raises InputError for a proxy that is not a column.
    """
    values, without = combined(scores, combination)
    ranks = values.rank(method="min", ascending=False).astype("Int64")
    columns = {"rank": ranks, "architecture": scores["architecture"], "score": values}
    if combination.rule:
        columns |= parts(scores, combination, without.rows)
    result = pd.DataFrame(columns)
    result["reason"] = pd.Series(without.reasons(scores), index=result.index, dtype=object)
    order = np.argsort(-values.to_numpy(), kind="stable")
    numbers = {name: "Float64" for name in result.columns if name not in TEXT}
    return result.iloc[order].reset_index(drop=True).astype(numbers)


def parts(scores: pd.DataFrame, combination: Combination, out: Flags) -> dict[str, pd.Series[Any]]:
    """The columns of a combination; combinations in it are of the rows that have a score."""
    inner = with_combinations(scores[~out], combination.proxies)
    return {
        name: scores[name] if name in scores.columns else inner[name].reindex(scores.index)
        for name in combination.proxies
    }


TEXT = ("rank", "architecture", "reason")
