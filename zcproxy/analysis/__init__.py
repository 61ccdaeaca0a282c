"""Agreement of proxies with trained accuracy: arrays or frames in, numbers out."""

from zcproxy.analysis.agreement import Agreement, agreement, kendall, spearman
from zcproxy.analysis.alignment import align, score_columns, select_columns
from zcproxy.analysis.bias import bias_table
from zcproxy.analysis.combine import (
    NAMED,
    RULES,
    Combination,
    combination_notes,
    combine,
    log_rank,
    mean_rank,
    vote,
    vote_concordance,
    vote_share,
    with_combinations,
)
from zcproxy.analysis.failures import POLICIES, FailurePolicy, Pairs, complete, pairs, policy
from zcproxy.analysis.hardware import Hardware, hardware
from zcproxy.analysis.noise import NoiseCeiling, noise_ceiling
from zcproxy.analysis.pareto import hypervolume, pareto_front
from zcproxy.analysis.partial import partial_spearman
from zcproxy.analysis.ranges import range_table, selection_table
from zcproxy.analysis.ranking import ranking
from zcproxy.analysis.ranks import average_ranks, tied
from zcproxy.analysis.redundancy import Redundancy, effective_numbers, redundancy
from zcproxy.analysis.selection import (
    expected_best,
    expected_mean,
    overlap,
    regret,
    top_spearman,
)
from zcproxy.analysis.similarity import proxy_correlations, similarity_order
from zcproxy.analysis.stability import Stability, intraclass, spearman_brown, stability
from zcproxy.analysis.supervised import Supervised, supervised
from zcproxy.analysis.table import agreement_table
from zcproxy.analysis.transfer import Transfer, transfer
from zcproxy.analysis.uncertainty import Interval, bootstrap

__all__ = [
    "NAMED",
    "POLICIES",
    "RULES",
    "Agreement",
    "Combination",
    "FailurePolicy",
    "Hardware",
    "Interval",
    "NoiseCeiling",
    "Pairs",
    "Redundancy",
    "Stability",
    "Supervised",
    "Transfer",
    "agreement",
    "agreement_table",
    "align",
    "average_ranks",
    "bias_table",
    "bootstrap",
    "combination_notes",
    "combine",
    "complete",
    "effective_numbers",
    "expected_best",
    "expected_mean",
    "hardware",
    "hypervolume",
    "intraclass",
    "kendall",
    "log_rank",
    "mean_rank",
    "noise_ceiling",
    "overlap",
    "pairs",
    "pareto_front",
    "partial_spearman",
    "policy",
    "proxy_correlations",
    "range_table",
    "ranking",
    "redundancy",
    "regret",
    "score_columns",
    "select_columns",
    "selection_table",
    "similarity_order",
    "spearman",
    "spearman_brown",
    "stability",
    "supervised",
    "tied",
    "top_spearman",
    "transfer",
    "vote",
    "vote_concordance",
    "vote_share",
    "with_combinations",
]
