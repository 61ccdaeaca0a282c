"""Number of parameters."""

from __future__ import annotations

from zcproxy.probe import Probe

USES_BATCH = False


def params(probe: Probe) -> float:
    """Number of parameters of the network, shared ones once.

    Of an architecture of a space: those of the network as the benchmark trained it, operations
    that never take part included.
    """
    return float(sum(p.numel() for p in probe.parameters.values()))
