"""Number of convolutions that matter."""

from __future__ import annotations

from zcproxy.probe import Probe

USES_BATCH = False


def live_convs(probe: Probe) -> float:
    """Number of convolution layers on a path from input to output, one used twice once.

    Of any network: those whose weight the backward pass reaches; 0 where the output does not
    depend on the input. A weight counts as a convolution's by its axes, of which a linear layer
    has two and a convolution more. Of an architecture of a space: stem, cells, reductions and their
    shortcuts.
    """
    if not probe.connected:
        return 0.0
    reached = set(probe.reached_parameters)
    convolutions = [w.name for w in probe.weights if probe.weight(w.name).dim() > 2]
    return float(sum(name in reached for name in convolutions))
