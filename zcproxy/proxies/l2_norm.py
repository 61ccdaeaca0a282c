"""Weight norm."""

from __future__ import annotations

from zcproxy.probe import Probe
from zcproxy.totals import norms

USES_BATCH = False


def l2_norm(probe: Probe) -> float:
    """Sum over layers of the Euclidean norm of W.

    Source: Abdelfattah et al., ICLR 2021, arXiv:2101.08134 (authors' code).
    """
    return norms({name: probe.weight(name) for name in probe.summed_weights})
