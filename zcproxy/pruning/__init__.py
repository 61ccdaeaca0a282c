"""Pruning at initialization: scores, masks, what a mask costs, and controls to compare it with."""

from __future__ import annotations

from zcproxy.pruning.batches import Batches, halves, tempered
from zcproxy.pruning.collapse import Collapse, critical_density
from zcproxy.pruning.mask import Mask
from zcproxy.pruning.methods import METHODS, saliency_scores
from zcproxy.pruning.pruner import prune
from zcproxy.pruning.report import Consequences, consequences

__all__ = [
    "METHODS",
    "Batches",
    "Collapse",
    "Consequences",
    "Mask",
    "consequences",
    "critical_density",
    "halves",
    "prune",
    "saliency_scores",
    "tempered",
]
