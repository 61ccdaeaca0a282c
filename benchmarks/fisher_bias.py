"""Does a bias in the convolutions explain another Fisher ranking? Both, on a sample of networks.

    python benchmarks/fisher_bias.py --networks 224

Needs CIFAR-10 and the accuracies of NAS-Bench-201 (`zcproxy data list`).
"""

from __future__ import annotations

import argparse
import math
import random

import pandas as pd
import torch
from torch import nn

from zcproxy import datasets, spaces, tables
from zcproxy.scoring import measure


def main() -> None:
    """Print Spearman's correlations of both Fisher scores and two accuracies."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", type=int, default=224)
    count = parser.parse_args().networks
    torch.set_num_threads(1)
    space = spaces.get("nasbench201")
    architectures = space.architectures()
    random.Random(1).shuffle(architectures)
    chosen = [a for a in architectures if space.blueprint(a).connected][:count]
    accuracies = tables.load("nasbench201").set_index("architecture").loc[chosen]
    batch = datasets.batch("cifar10", 64, 0)
    rows = []
    for architecture in chosen:
        network = space.network(architecture, live=True)
        without = fisher(network, batch)
        give_bias(network)
        rows.append((without, fisher(network, batch)))
    found = pd.DataFrame(rows, columns=["no bias", "bias"], index=chosen)
    for column in ("cifar10-valid_test_200_nbsz", "cifar10_test_200"):
        found[column] = accuracies[column]
    print(len(found), "networks")
    print(found.corr("spearman").round(3).to_string())


def fisher(network: nn.Module, batch: datasets.Batch) -> float | None:
    """The proxy under the protocol clean."""
    return measure(network, batch.inputs, batch.targets, ["fisher"])["fisher"].value


def give_bias(network: nn.Module) -> None:
    """Give every convolution a bias, PyTorch's default initialization."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            bound = 1 / math.sqrt(module.weight[0].numel())
            values = torch.rand(module.out_channels, generator=generator)
            module.bias = nn.Parameter((values * 2 - 1) * bound)


if __name__ == "__main__":
    main()
