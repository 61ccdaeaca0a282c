"""Why Fisher ranks all 15,625 networks otherwise in Abdelfattah et al.: a bias behind dead edges.

    python benchmarks/fisher_networks.py --networks 400

Scores a sample of architectures with the networks of that paper (`naive.py`: all candidate
operations, convolutions with bias), with the same networks without biases, and with ours. Needs
CIFAR-10, the accuracies of NAS-Bench-201 (`zcproxy data list`) and our scores in `data/scores`.

A convolution that is fed by `none` alone gives out its bias everywhere. Batch norm divides what
flows back through it by the root of a variance of zero, 1e-5 after the epsilon, so activation times
gradient is large although the edge does nothing. Without a bias it is zero times something.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import naive
import pandas as pd
import torch
from torch import nn

from zcproxy import datasets, spaces, tables
from zcproxy.store import read_scores

SCORES = Path(__file__).parent.parent / "data" / "scores" / "nasbench201-cifar10.parquet"
ACCURACIES = ["cifar10-valid_test_200_nbsz", "cifar10_test_200"]


def main() -> None:
    """Print Spearman's correlations of the three Fisher scores with each other and accuracies."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", type=int, default=400)
    count = parser.parse_args().networks
    torch.set_num_threads(1)
    space = spaces.get("nasbench201")
    architectures = space.architectures()
    random.Random(2).shuffle(architectures)
    chosen = architectures[:count]
    batch = datasets.batch("cifar10", 64, 0)
    rows = []
    for index, architecture in enumerate(chosen):
        torch.manual_seed(index)
        network = naive.NaiveNetwork(architecture)
        biased = naive.fisher(network, batch.inputs, batch.targets)
        forget_biases(network)
        rows.append((biased, naive.fisher(network, batch.inputs, batch.targets)))
    found = pd.DataFrame(rows, columns=["theirs", "theirs, no bias"], index=chosen)
    found["ours"] = read_scores(SCORES).set_index("architecture").loc[chosen, "fisher"]
    accuracies = tables.load("nasbench201").set_index("architecture").loc[chosen]
    found[ACCURACIES] = accuracies[ACCURACIES]
    live = found[found.index.isin(space.subset("live"))]
    for name, part in (("all", found), ("without dead edges", live)):
        print(f"\n{name}: {len(part)} architectures")
        print(part.corr("spearman").round(3).to_string())


def forget_biases(network: nn.Module) -> None:
    """Set the biases of all convolutions to zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.zeros_(module.bias)


if __name__ == "__main__":
    main()
