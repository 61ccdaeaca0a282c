"""Several proxies made into one ranking, by a rule that sees no accuracy.

A combination is written `nwot+live_params:log-rank`: proxies joined by `+`, then the rule.
Published ones have a name, such as `az_nas`. Combined scores are higher for better, as every
proxy's are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from zcproxy.analysis.lacking import Lacking, lacking
from zcproxy.analysis.ranks import Floats, average_ranks, dense_codes, vector
from zcproxy.analysis.uncertainty import Interval
from zcproxy.errors import InputError, unknown
from zcproxy.kinds import FAILURE

__all__ = [
    "NAMED",
    "RULES",
    "Combination",
    "combination_notes",
    "combine",
    "combined",
    "log_rank",
    "mean_rank",
    "no_proxy",
    "vote",
    "vote_concordance",
    "vote_share",
    "with_combinations",
]


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
    returns (n,). Source: AZ-NAS, Lee and Ham 2024, arXiv:2403.19232, section 3.2; tied scores
    share their average rank, as in the authors' code.
    """
    ranks = ranked(columns)
    return np.asarray(np.log(ranks / ranks.shape[1]).sum(axis=0), dtype=np.float64)


def vote(columns: Sequence[ArrayLike]) -> Floats:
    """Pairwise majority vote: wins minus losses against all others, divided by n - 1.

    Of each pair of architectures the one that more proxies prefer wins; a proxy that ties the two
    abstains; equal votes are no win. `columns` are p vectors (n,) without nan; returns (n,) in
    [-1, 1]. O(p n^2) time, O(p n) memory. Source: Abdelfattah et al. 2021, arXiv:2101.08134,
    decide pairs. Differs: a majority of pairs need not be transitive (Condorcet), so
    the ranking counts won pairs (Copeland).
    """
    codes = coded(columns)
    n = codes.shape[1]
    wins = [majority(codes, row).sum() for row in range(n)]
    return np.asarray(wins, dtype=np.float64) / float(max(1, n - 1))


def vote_concordance(columns: Sequence[ArrayLike], accuracies: ArrayLike) -> float:
    """Share of pairs of architectures whose order by accuracy the majority vote gets right.

    Pairs of equal accuracy are not asked about; an undecided vote counts half. This, and not a
    rank correlation, is what Abdelfattah et al. 2021 call `vote` (.82/.83/.82).
    `columns` are p vectors (n,), `accuracies` (n,), all without nan.

    Raises InputError where no two accuracies differ.
    """
    return vote_share(columns, accuracies)[0]


def vote_share(columns: Sequence[ArrayLike], accuracies: ArrayLike) -> tuple[float, Interval]:
    """`vote_concordance` with its 95 % interval, for architectures drawn at random.

    By the normal approximation of a U-statistic: with r_i right ones of the a_i pairs of
    architecture i, the standard error is twice the standard deviation of
    (r_i - share a_i) / mean(a), divided by the root of n.

    Raises InputError where no two accuracies differ.
    """
    codes, truth = coded([*columns, accuracies])[:-1], dense_codes(vector(accuracies, "accuracies"))
    right, asked = np.zeros(len(truth)), np.zeros(len(truth))
    for row in range(len(truth)):
        order, votes = np.sign(truth[row] - truth), majority(codes, row)
        differs = order != 0
        right[row] = (votes[differs] == order[differs]).sum() + 0.5 * (votes[differs] == 0).sum()
        asked[row] = differs.sum()
    if not asked.any():
        raise InputError("no two accuracies differ, so there is no pair to vote on")
    share = float(right.sum() / asked.sum())
    influence = (right - share * asked) / asked.mean()
    margin = 1.96 * 2 * float(influence.std()) / math.sqrt(len(truth))
    return share, Interval(share - margin, share + margin)


RULES: Mapping[str, Callable[[Sequence[ArrayLike]], Floats]] = {
    "log-rank": log_rank,
    "mean-rank": mean_rank,
    "vote": vote,
}


@dataclass(frozen=True)
class Combination:
    """Proxies and, when there are several, the rule that makes them one ranking.

    `name` is what a combination of `NAMED` is called. With `failures_last` an architecture on
    which a proxy fails has its lowest rank there, and only one that a proxy was not scored on, or
    does not apply to, has no combined score (see `zcproxy.analysis.lacking`); otherwise any failure
    leaves it without. A missing value of which no kind is stated, as in a table of one's own
    without columns `<proxy>_failure`, counts as a failure of the network and comes last.
    """

    proxies: tuple[str, ...]
    rule: str | None = None
    name: str | None = None
    failures_last: bool = False

    @classmethod
    def parse(cls, text: str) -> Combination:
        """Read `synflow`, `nwot+live_params:log-rank` or a name of `NAMED`, such as `az_nas`.

        Raises InputError for an unknown rule, several proxies without a rule, an empty or
        repeated name.
        """
        if text in NAMED:
            return NAMED[text]
        names, colon, rule = text.partition(":")
        proxies = tuple(name.strip() for name in names.split("+"))
        if "" in proxies or len(set(proxies)) < len(proxies):
            raise InputError(f"'{text}': expected different proxies joined by +")
        if colon and rule not in RULES:
            raise unknown("rule of combination", rule, RULES)
        if len(proxies) > 1 and not colon:
            raise InputError(f"'{text}': say how to combine, as in {names}:{next(iter(RULES))}")
        return cls(proxies, rule or None)

    @property
    def members(self) -> dict[str, bool]:
        """The proxies, those of combinations among them instead; whether failures come last."""
        found: dict[str, bool] = {}
        for name in self.proxies:
            inner = NAMED[name].members if name in NAMED else {name: self.failures_last}
            found |= {proxy: last and found.get(proxy, True) for proxy, last in inner.items()}
        return found

    def __str__(self) -> str:
        return self.name or "+".join(self.proxies) + (f":{self.rule}" if self.rule else "")


NAMED: Mapping[str, Combination] = {
    str(published.name): published
    for published in (
        Combination(
            ("az_expressivity", "az_progressivity", "az_trainability", "flops"),
            "log-rank",
            "az_nas",
            failures_last=True,
        ),
        Combination(
            ("vkdnw", "jacob_cov", "az_expressivity", "az_trainability", "flops"),
            "log-rank",
            "vkdnw_agg",
            failures_last=True,
        ),
        Combination(("synflow", "jacob_cov", "snip"), "vote", "vote"),
        Combination(
            ("blind_size", "blind_activations", "blind_derivatives"),
            "log-rank",
            "blind",
            failures_last=True,
        ),
        Combination(
            ("depth", "live_convs", "live_params"), "log-rank", "blind_size", failures_last=True
        ),
        Combination(
            ("az_expressivity", "meco", "meco_opt", "nwot", "swap", "zen"),
            "log-rank",
            "blind_activations",
            failures_last=True,
        ),
        Combination(
            ("az_trainability", "jacob_cov"), "log-rank", "blind_derivatives", failures_last=True
        ),
        Combination(
            ("az_trainability", "jacob_cov", "vkdnw"),
            "log-rank",
            "blind_derivatives_dear",
            failures_last=True,
        ),
        Combination(
            ("blind_size", "blind_activations", "blind_derivatives_dear"),
            "log-rank",
            "blind_dear",
            failures_last=True,
        ),
    )
}
"""Combinations by name, published ones and ours.

az_nas: AZ-NAS, Lee and Ham, CVPR 2024, arXiv:2403.19232, section 3.2; complexity is FLOPs.
vkdnw_agg: Tybl and Neumann, CVPR 2025, arXiv:2502.04975; members as their code has them.
In both a member that fails has its lowest rank, as in the authors' codes.
vote: Abdelfattah et al., ICLR 2021, arXiv:2101.08134; an architecture where a member has no value
has none.

blind: ours, by a rule that was written before the combination met an accuracy. A network is
looked at in three ways: what it is made of (`blind_size`), what its units do on a batch
(`blind_activations`), and derivatives of its outputs (`blind_derivatives`); these are
the complexity, expressivity and trainability of AZ-NAS. Members of a way are all cheap proxies of
this library that look only there, that see the network and not dead parts of its string, that are
no mixture of ways (as `reg_swap` is), and whose ranks agree between two seeds of the weights by .9
or more. Ranks are joined within a way, then the three ways, by log-rank; failures come last.
`benchmarks/blind.py` applies this, and has what spoke against a fourth way, gradients of the loss,
on benchmarks other than NAS-Bench-201. Correlations of single proxies were known: published ones,
and those on samples of up to 150 architectures that had been looked at to check definitions.
blind_dear: the same rule without the condition that members are cheap, which lets `vkdnw` in
(`ntk_condition` is not stable). Fixed when `blind` was known to have .911 on CIFAR-10, and before
`vkdnw` was scored by the protocol `clean` on more than samples of 60.
"""


def no_proxy(name: str) -> str:
    """What to say of the name of a combination where only a proxy can stand; empty for others."""
    if name not in NAMED:
        return ""
    members = ",".join(NAMED[name].members)
    return (
        f"{name} is a combination, which zcproxy correlate, rank and report make of scores; "
        f"score its members: --proxies {members}"
    )


def with_combinations(scores: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The scores with a column for each of `names` that is a combination and not a column yet.

    Beside it stands `<name>_failure`, as beside a proxy, where it has no value somewhere. Ranks are
    taken among the rows of `scores`.

    Raises InputError for what is malformed, and for a proxy that is not a column.
    """
    added: dict[str, pd.Series[Any]] = {}
    for name in absent(scores, names):
        values, without = combined(scores, Combination.parse(name))
        added[name] = values
        if without.rows.any():
            kinds = pd.array(without.kinds(scores), dtype="str")
            added[name + FAILURE] = pd.Series(kinds, index=scores.index)
    return scores.assign(**added) if added else scores


def combination_notes(scores: pd.DataFrame, names: Iterable[str]) -> list[str]:
    """What must be said of combinations among `names`: members left out, and who comes last."""
    notes = []
    for name in absent(scores, names):
        without = lacking(scores, Combination.parse(name).members)
        if without.unused:
            some = ", ".join(without.unused)
            rest = [str(name) for name in without.out if name not in without.unused]
            note = f"{name} is without {some}: applicable to none of the architectures"
            if len(rest) < len(without.unused):
                note = f"NOT {name}, BUT {', '.join(rest)} ALONE: {note}"
            notes.append(note)
        if last := without.kinds_last(scores):
            counts = ", ".join(f"{kind} {count:,}" for kind, count in last.items())
            notes.append(f"{name} takes failures of a member for its lowest value: {counts}")
    return notes


def absent(scores: pd.DataFrame, names: Iterable[str]) -> list[str]:
    """The names that are combinations and not columns of the scores."""
    return [
        name
        for name in dict.fromkeys(names)
        if name not in scores.columns and (name in NAMED or "+" in name or ":" in name)
    ]


def combine(scores: pd.DataFrame, combination: Combination) -> pd.Series[float]:
    """The combined score of every row of `scores`; nan where a proxy of it has no value.

    `scores` has one float column per proxy, nan for failures, and may have `<proxy>_failure`, the
    kinds of failure, which `failures_last` asks for. Ranks are taken among the rows that have a
    combined score. One proxy without a rule keeps its values. A member may be a combination of
    `NAMED` itself.

    Raises InputError for a proxy that is not a column.
    """
    return combined(scores, combination)[0]


def combined(scores: pd.DataFrame, combination: Combination) -> tuple[pd.Series[float], Lacking]:
    """As `combine`, and what rows lack; raises as it does."""
    without = lacking(scores, combination.members)
    here = ~without.rows
    result = np.full(len(scores), np.nan)
    if here.any():
        columns = scores[list(combination.members)].astype(np.float64)[here]
        joined_here = joined(columns.drop(columns=list(without.unused)), combination)
        assert joined_here is not None  # else no row were left
        result[here] = joined_here
    values = pd.Series(result.tolist(), index=scores.index, name=str(combination), dtype=float)
    return values, without


def joined(columns: pd.DataFrame, combination: Combination) -> Floats | None:
    """The rule on the members that are columns; None if there are none."""
    found: list[Floats] = []
    for name in combination.proxies:
        if name in columns.columns:
            values = columns[name]
            found.append(
                (values.fillna(-np.inf) if combination.failures_last else values).to_numpy()
            )
        elif name in NAMED:
            inner = joined(columns, NAMED[name])
            found += [] if inner is None else [inner]
    if not found:
        return None
    return found[0] if combination.rule is None else RULES[combination.rule](list(found))


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
