"""Initial weights from a seed of one's own; the global random state plays no part."""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["INITIALIZATIONS", "initialize", "kaiming"]

Convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
Norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm)


@torch.no_grad()
def initialize(network: nn.Module, seed: int) -> None:
    """Draw PyTorch's default initialization of convolution, linear and batch-norm layers.

    Weights and biases of convolutions and linear layers are uniform on +-1/sqrt(fan_in); batch
    norm stays as it is made, weight 1 and bias 0, running mean 0 and variance 1. All numbers
    come from one stream, in the order of `network.modules()`, so a layer's weights depend only on
    what is before it.

    Args:
        network: floating-point modules of any of these types; others must have no parameters.
        seed: seed of the stream.
    """
    bounded: list[tuple[torch.Tensor, float]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(module.weight[0].numel())
            bounded.append((module.weight, bound))
            if module.bias is not None:
                bounded.append((module.bias, bound))
    generator = torch.Generator().manual_seed(seed)
    for tensor, bound in bounded:
        drawn = torch.rand(tensor.shape, generator=generator, dtype=torch.float32)
        tensor.copy_(drawn.mul_(2).sub_(1).mul_(bound))


@torch.no_grad()
def kaiming(network: nn.Module, seed: int) -> None:
    """Draw Kaiming's normal initialization: variance 2 / fan-in, for ReLU.

    Of convolutions and linear layers; their biases become 0, affine batch and group norms
    weight 1 and bias 0. Parameters of other modules stay as they are. One stream, as `initialize`.

    Args:
        network: any module.
        seed: seed of the stream.

    Source: He et al. 2015, arXiv:1502.01852; AZ-NAS (arXiv:2403.19232) uses it.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, Convolution):
            weight = module.weight
            drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float32)
            weight.copy_(drawn.mul_(math.sqrt(2 / weight[0].numel())))
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, Norm) and module.weight is not None:
            module.weight.fill_(1.0)
            module.bias.zero_()


INITIALIZATIONS = {"default": initialize, "kaiming": kaiming}
"""What draws the initial weights of a network, by the name that a protocol calls it."""
