"""LeNet-300-100 and LeNet-5, the networks for MNIST."""

from __future__ import annotations

from torch import nn

from zcproxy.models.initialization import glorot, initialize

__all__ = ["lenet5", "lenet300"]


def lenet300(
    classes: int = 10, in_channels: int = 1, image: int = 28, seed: int = 0, width: int = 300
) -> nn.Sequential:
    """LeNet-300-100: linear layers of 300, 100 and `classes` outputs, with ReLU between them.

    Takes (N, in_channels, image, image), gives (N, classes). `width` replaces 300, a third of it
    (rounded down, at least 1) replaces 100. 266,610 parameters, 266,200 of them weights.

    Source: LeCun et al., 1998, as used by Han et al., arXiv:1506.02626 (267 thousand parameters)
    and Frankle and Carbin, arXiv:1803.03635 (266 thousand), whose initialization this is: Glorot's
    normal one.
    """
    second = max(1, width // 3)
    network = nn.Sequential()
    network.add_module("flatten", nn.Flatten())
    network.add_module("fc1", nn.Linear(in_channels * image * image, width))
    network.add_module("relu1", nn.ReLU())
    network.add_module("fc2", nn.Linear(width, second))
    network.add_module("relu2", nn.ReLU())
    network.add_module("fc3", nn.Linear(second, classes))
    initialize(network, seed, glorot)
    return network


def lenet5(
    classes: int = 10, in_channels: int = 1, image: int = 28, seed: int = 0, width: int = 20
) -> nn.Sequential:
    """LeNet-5 as Caffe defines it: 5x5 convolutions of 20 and 50 channels, 500 hidden units.

    Takes (N, in_channels, image, image) with `image` at least 16, gives (N, classes). Convolutions
    are not padded, each is followed by ReLU and maximum pooling. `width` replaces 20; 50 and 500
    scale with it. 431,080 parameters.

    Source: LeCun et al., 1998; this variant in Han et al., arXiv:1506.02626 and Lee et al., SNIP,
    arXiv:1810.02340 (431 thousand).
    """
    second, hidden, side = width * 5 // 2, width * 25, ((image - 4) // 2 - 4) // 2
    network = nn.Sequential()
    network.add_module("conv1", nn.Conv2d(in_channels, width, 5))
    network.add_module("relu1", nn.ReLU())
    network.add_module("pool1", nn.MaxPool2d(2))
    network.add_module("conv2", nn.Conv2d(width, second, 5))
    network.add_module("relu2", nn.ReLU())
    network.add_module("pool2", nn.MaxPool2d(2))
    network.add_module("flatten", nn.Flatten())
    network.add_module("fc1", nn.Linear(second * side * side, hidden))
    network.add_module("relu3", nn.ReLU())
    network.add_module("fc2", nn.Linear(hidden, classes))
    initialize(network, seed, glorot)
    return network
