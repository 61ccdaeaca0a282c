"""Number of parameters that matter."""

from __future__ import annotations

from zcproxy.probe import Probe

USES_BATCH = False


def live_params(probe: Probe) -> float:
    """Number of parameters on a path from input to output, the baseline every proxy must beat.

    Of any network: the parameters that the backward pass reaches; 0 where the output does not
    depend on the input.
    """
    if not probe.connected:
        return 0.0
    return float(sum(probe.parameters[name].numel() for name in probe.reached_parameters))
