"""Length of the longest path."""

from __future__ import annotations

from zcproxy.probe import Probe

USES_BATCH = False


def depth(probe: Probe) -> float:
    """Most convolutions and linear layers on one path from input to output, 0 without a path.

    Of any network: by the graph of the forward pass, where a layer is an operation that takes the
    weight of a layer and something that depends on the input; a layer used twice in a row counts
    twice. Of an architecture of a space: the same number by its blueprint.
    """
    return float(probe.depth)
