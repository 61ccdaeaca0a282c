"""VGG with batch norm for small images."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from zcproxy.models.initialization import initialize

__all__ = ["VGG", "vgg"]

POOL = 0
PLANS = {
    11: (1, POOL, 2, POOL, 4, 4, POOL, 8, 8, POOL, 8, 8),
    16: (1, 1, POOL, 2, 2, POOL, 4, 4, 4, POOL, 8, 8, 8, POOL, 8, 8, 8),
}
"""Channels of every convolution as multiples of the width, and where pooling is."""


class VGG(nn.Module):
    """Convolutions (bias, batch norm, ReLU) and pooling, mean over positions, one linear layer."""

    def __init__(self, plan: tuple[int, ...], width: int, classes: int, in_channels: int) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels, number = in_channels, 0
        for multiple in plan:
            if multiple == POOL:
                layers[f"pool{number}"] = nn.MaxPool2d(2)
                continue
            number += 1
            layers[f"conv{number}"] = nn.Conv2d(channels, width * multiple, 3, padding=1)
            layers[f"norm{number}"] = nn.BatchNorm2d(width * multiple)
            layers[f"relu{number}"] = nn.ReLU()
            channels = width * multiple
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores (N, classes) of images (N, in_channels, image, image)."""
        scores: Tensor = self.classifier(torch.mean(self.features(images), (2, 3)))
        return scores


def vgg(
    depth: int = 16,
    classes: int = 10,
    in_channels: int = 3,
    image: int = 32,
    seed: int = 0,
    width: int = 64,
) -> VGG:
    """VGG-11 or VGG-16 as the pruning literature uses it on CIFAR.

    That is: padded 3x3 convolutions with bias, batch norm after each, four poolings, the mean over
    the remaining positions, and one linear layer instead of three. `image` is at least 16; `width`
    replaces the 64 channels of the first stage and scales all others. For CIFAR-10 VGG-16 has
    14,728,266 parameters (14,715,584 of them weights of convolutions and the linear layer), VGG-11
    9,231,114.

    Source: Simonyan and Zisserman, arXiv:1409.1556; this variant, with He's normal initialization
    and zero biases, in Frankle and Carbin's and in Tanaka et al.'s code.
    """
    network = VGG(PLANS[depth], width, classes, in_channels)
    initialize(network, seed)
    return network
