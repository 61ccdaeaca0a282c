"""Several proxies made into one ranking, by a rule that sees no accuracy.

A combination is written `nwot+live_params:log-rank`: proxies joined by `+`, then the rule.
Combined scores are higher for better, as every proxy's are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from zcproxy.analysis.alignment import select_columns
from zcproxy.analysis.ranks import Floats, average_ranks, dense_codes, vector
from zcproxy.errors import InputError, unknown

__all__ = ["RULES", "Combination", "combine", "log_rank", "mean_rank", "vote", "vote_concordance"]


def mean_rank(columns: Sequence[ArrayLike]) -> Floats:
    """Mean of the average ranks, divided by n: 1 for an architecture that is best by all proxies.

    score_i = (1/p) sum_j rank_ij / n, rank 1 the lowest score of proxy j. `columns` are p vectors
    (n,) without nan; returns (n,).
    """
    ranks = ranked(columns)
    return np.asarray(ranks.mean(axis=0) / ranks.shape[1], dtype=np.float64)


def log_rank(columns: Sequence[ArrayLike]) -> Floats:
    """Sum of log(rank / n): 0 for an architecture that is best by all proxies, else negative.

    score_i = sum_j ln(rank_ij / n), rank 1 the lowest score of proxy j: being bad by one proxy
    costs more than being good by another one gains. `columns` are p vectors (n,) without nan;
    returns (n,). Source: AZ-NAS, Lee and Ham 2024, arXiv:2403.19232, section 3.3.
    Differs: tied scores share their average rank.
    """
    ranks = ranked(columns)
    return np.asarray(np.log(ranks / ranks.shape[1]).sum(axis=0), dtype=np.float64)


def vote(columns: Sequence[ArrayLike]) -> Floats:
    """Pairwise majority vote: wins minus losses against all others, divided by n - 1.

    Of each pair of architectures the one that more proxies prefer wins; a proxy that ties the two
    abstains; equal votes are no win. `columns` are p vectors (n,) without nan; returns (n,) in
    [-1, 1]. O(p n^2) time, O(p n) memory. Source: Abdelfattah et al. 2021, arXiv:2101.08134,
    section 3.1, decide pairs. Differs: a majority of pairs need not be transitive (Condorcet), so
    the ranking counts won pairs (Copeland).
    """
    codes = coded(columns)
    n = codes.shape[1]
    wins = [majority(codes, row).sum() for row in range(n)]
    return np.asarray(wins, dtype=np.float64) / float(max(1, n - 1))


def vote_concordance(columns: Sequence[ArrayLike], accuracies: ArrayLike) -> float:
    """Share of pairs of architectures whose order by accuracy the majority vote gets right.

    Pairs of equal accuracy are not asked about; an undecided vote counts half. This, and not a
    rank correlation, is the `vote` column in table 1 of Abdelfattah et al. 2021 (.82/.83/.82).
    `columns` are p vectors (n,), `accuracies` (n,), all without nan.

    Raises InputError where no two accuracies differ.
    """
    codes, truth = coded([*columns, accuracies])[:-1], dense_codes(vector(accuracies, "accuracies"))
    right = asked = 0.0
    for row in range(len(truth)):
        order, votes = np.sign(truth[row] - truth), majority(codes, row)
        differs = order != 0
        right += (votes[differs] == order[differs]).sum() + 0.5 * (votes[differs] == 0).sum()
        asked += differs.sum()
    if asked == 0:
        raise InputError("no two accuracies differ, so there is no pair to vote on")
    return float(right / asked)


RULES: Mapping[str, Callable[[Sequence[ArrayLike]], Floats]] = {
    "log-rank": log_rank,
    "mean-rank": mean_rank,
    "vote": vote,
}


@dataclass(frozen=True)
class Combination:
    """Proxies and, when there are several, the rule that makes them one ranking."""

    proxies: tuple[str, ...]
    rule: str | None = None

    @classmethod
    def parse(cls, text: str) -> Combination:
        """Read `synflow` or `nwot+live_params:log-rank`.

        Raises InputError for an unknown rule, several proxies without a rule, an empty or
        repeated name.
        """
        names, colon, rule = text.partition(":")
        proxies = tuple(name.strip() for name in names.split("+"))
        if "" in proxies or len(set(proxies)) < len(proxies):
            raise InputError(f"'{text}': expected different proxies joined by +")
        if colon and rule not in RULES:
            raise unknown("rule of combination", rule, RULES)
        if len(proxies) > 1 and not colon:
            raise InputError(f"'{text}': say how to combine, as in {names}:{next(iter(RULES))}")
        return cls(proxies, rule or None)

    def __str__(self) -> str:
        return "+".join(self.proxies) + (f":{self.rule}" if self.rule else "")


def combine(scores: pd.DataFrame, combination: Combination) -> pd.Series[float]:
    """The combined score of every row of `scores`; nan where a proxy of it has no value.

    `scores` has one float column per proxy, nan for failures. Ranks are taken among the rows
    where every proxy of the combination has a value. One proxy without a rule keeps its values.

    Raises InputError for a proxy that is not a column.
    """
    columns = select_columns(scores, combination.proxies)
    usable = columns.notna().all(axis=1).to_numpy()
    values = columns.to_numpy()[usable].T
    result = np.full(len(columns), np.nan)
    if usable.any():
        result[usable] = (
            values[0] if combination.rule is None else RULES[combination.rule](list(values))
        )
    return pd.Series(result.tolist(), index=columns.index, name=str(combination), dtype=float)


def ranked(columns: Sequence[ArrayLike]) -> Floats:
    """Average ranks of p columns, shape (p, n)."""
    return np.stack([average_ranks(column) for column in same_lengths(columns)])


def coded(columns: Sequence[ArrayLike]) -> NDArray[np.int32]:
    """Dense codes of p columns, shape (p, n)."""
    codes = [dense_codes(column) for column in same_lengths(columns)]
    return np.asarray(codes, dtype=np.int32)


def same_lengths(columns: Sequence[ArrayLike]) -> list[Floats]:
    """The columns as checked vectors of one length."""
    vectors = [vector(column, "scores") for column in columns]
    if len({len(column) for column in vectors}) != 1:
        raise InputError(
            f"expected columns of one length, got lengths {[len(column) for column in vectors]}"
        )
    return vectors


def majority(codes: NDArray[np.int32], row: int) -> NDArray[np.int32]:
    """1 where more columns prefer `row` to the other architecture, -1 where fewer, 0 otherwise."""
    preferences = np.sign(codes[:, row, None] - codes).sum(axis=0)
    return np.asarray(np.sign(preferences), dtype=np.int32)
