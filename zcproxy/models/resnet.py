"""ResNet-20 and ResNet-18 for small images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zcproxy.models.initialization import initialize

__all__ = ["ResNet", "resnet18", "resnet20"]


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, channels: int, wider: int, stride: int, projected: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, wider, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(wider)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(wider, wider, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(wider)
        self.relu2 = nn.ReLU()
        self.stride, self.added = stride, wider - channels
        changed = stride > 1 or wider != channels
        self.shortcut = _projection(channels, wider, stride) if changed and projected else None

    def forward(self, features: Tensor) -> Tensor:
        main = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(features)))))
        result: Tensor = self.relu2(main + self._beside(features))
        return result

    def _beside(self, features: Tensor) -> Tensor:
        """Option A of He et al. where there is no projection: subsample, and pad with zeros."""
        if self.shortcut is not None:
            projected: Tensor = self.shortcut(features)
            return projected
        if self.stride > 1:
            features = features[:, :, :: self.stride, :: self.stride]
        before = self.added // 2
        return F.pad(features, (0, 0, 0, 0, before, self.added - before))


class ResNet(nn.Module):
    """A 3x3 stem, stages of blocks of doubling width, mean over positions, one linear layer."""

    def __init__(
        self, blocks: Sequence[int], width: int, classes: int, in_channels: int, projected: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.blocks = nn.Sequential()
        channels = width
        for stage, count in enumerate(blocks):
            for number in range(count):
                stride = 2 if stage and not number else 1
                self.blocks.append(Block(channels, width * 2**stage, stride, projected))
                channels = width * 2**stage
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores (N, classes) of images (N, in_channels, image, image)."""
        features = self.blocks(self.relu(self.norm(self.conv(images))))
        scores: Tensor = self.classifier(torch.mean(features, (2, 3)))
        return scores


def resnet20(
    classes: int = 10,
    in_channels: int = 3,
    image: int = 32,
    seed: int = 0,
    width: int = 16,
    shortcut: str = "A",
) -> ResNet:
    """ResNet-20: three stages of three blocks, 16, 32 and 64 channels.

    `shortcut` "A" subsamples and pads with zeros where the shape changes, as He et al. do on CIFAR:
    269,722 parameters for 10 classes. "B" takes a 1x1 convolution with batch norm there: 272,474.
    He's normal initialization.

    Source: He et al., arXiv:1512.03385, section 4.2 and table 6 (0.27 million).
    """
    network = ResNet((3, 3, 3), width, classes, in_channels, shortcut == "B")
    initialize(network, seed)
    return network


def resnet18(
    classes: int = 10, in_channels: int = 3, image: int = 32, seed: int = 0, width: int = 64
) -> ResNet:
    """ResNet-18 for small images: four stages of two blocks, 64 to 512 channels, projections.

    The 7x7 stem with stride and the pooling of the ImageNet network are replaced by a 3x3 stem
    without stride. 11,173,962 parameters for CIFAR-10. He's normal initialization.

    Source: He et al., arXiv:1512.03385, table 1; this variant in Tanaka et al., arXiv:2006.05467,
    and most work on CIFAR.
    """
    network = ResNet((2, 2, 2, 2), width, classes, in_channels, True)
    initialize(network, seed)
    return network


def _projection(channels: int, wider: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, wider, 1, stride, bias=False), nn.BatchNorm2d(wider))
