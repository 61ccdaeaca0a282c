"""Normal initializations from a seed of one's own; the global random state plays no part."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["glorot", "initialize", "kaiming"]

Spread = Callable[[Tensor], float]


def kaiming(weight: Tensor) -> float:
    """Standard deviation sqrt(2 / fan_in) of He et al., arXiv:1502.01852, equation 10."""
    return math.sqrt(2 / weight[0].numel())


def glorot(weight: Tensor) -> float:
    """Standard deviation sqrt(2 / (fan_in + fan_out)) of Glorot and Bengio, 2010, equation 12."""
    field = weight[0, 0].numel()
    return math.sqrt(2 / (field * (weight.shape[0] + weight.shape[1])))


@torch.no_grad()
def initialize(network: nn.Module, seed: int, spread: Spread = kaiming) -> None:
    """Draw the weights of convolutions and linear layers from a normal distribution.

    Biases become 0, batch norm keeps weight 1 and bias 0. All numbers come from one stream, in the
    order of `network.modules()`.

    Args:
        network: whose weights to draw.
        seed: of the stream.
        spread: from a weight (out, in, ...) to its standard deviation.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            drawn = torch.randn(module.weight.shape, generator=generator)
            module.weight.copy_(drawn.mul_(spread(module.weight)))
            if module.bias is not None:
                module.bias.zero_()
