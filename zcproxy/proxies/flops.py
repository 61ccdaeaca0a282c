"""Number of operations."""

from __future__ import annotations

from zcproxy.probe import Probe

PASSES = ("flops",)
USES_BATCH = False


def flops(probe: Probe) -> float:
    """Multiply-adds of convolutions and matrix products, per image.

    Counted by `torch.utils.flop_counter`, two of whose operations are one multiply-add. Of an
    architecture of a space: the benchmark's official count, dead operations and the classifier's
    bias included.
    """
    return probe.multiply_adds / probe.batch_size
