"""Random scores."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from zcproxy.probe import Probe


def random(probe: Probe) -> dict[str, Tensor]:
    r"""An independent random number per weight, uniform on [0, 1): the baseline of pruning.

    Needs no batch. The numbers depend on the probe's seed and on the shapes of the weights, not on
    the device; the stream is not that of `torch.manual_seed` with the same seed, which may have
    drawn the weights themselves. Returns one float64 tensor per weight, of its shape.

    Source: a baseline of Frankle et al., ICLR 2021, arXiv:2009.08576.
    """
    digest = hashlib.sha256(f"zcproxy random saliency {probe.seed}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))
    result = {}
    for weight in probe.weights:
        like = probe.weight(weight.name)
        drawn = torch.rand(like.shape, generator=generator, dtype=torch.float64)
        result[weight.name] = drawn.to(like.device)
    return result
