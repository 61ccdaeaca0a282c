"""Agreement of proxies with trained accuracy: arrays or frames in, numbers out."""

from zcproxy.analysis.agreement import Agreement, agreement, kendall, spearman
from zcproxy.analysis.alignment import align, score_columns, select_columns
from zcproxy.analysis.combine import (
    RULES,
    Combination,
    combine,
    log_rank,
    mean_rank,
    vote,
    vote_concordance,
)
from zcproxy.analysis.failures import POLICIES, FailurePolicy, Pairs, complete, pairs, policy
from zcproxy.analysis.noise import NoiseCeiling, noise_ceiling
from zcproxy.analysis.partial import partial_spearman
from zcproxy.analysis.ranking import ranking
from zcproxy.analysis.ranks import average_ranks, tied
from zcproxy.analysis.selection import expected_best, overlap, regret, top_spearman
from zcproxy.analysis.similarity import proxy_correlations, similarity_order
from zcproxy.analysis.table import agreement_table
from zcproxy.analysis.uncertainty import Interval, bootstrap

__all__ = [
    "POLICIES",
    "RULES",
    "Agreement",
    "Combination",
    "FailurePolicy",
    "Interval",
    "NoiseCeiling",
    "Pairs",
    "agreement",
    "agreement_table",
    "align",
    "average_ranks",
    "bootstrap",
    "combine",
    "complete",
    "expected_best",
    "kendall",
    "log_rank",
    "mean_rank",
    "noise_ceiling",
    "overlap",
    "pairs",
    "partial_spearman",
    "policy",
    "proxy_correlations",
    "ranking",
    "regret",
    "score_columns",
    "select_columns",
    "similarity_order",
    "spearman",
    "tied",
    "top_spearman",
    "vote",
    "vote_concordance",
]
