"""Peak memory of a scoring worker against what a run assumes before it starts.

    python benchmarks/memory.py --out benchmarks/results/memory.json

Every row is a process of its own that scores one network twice and reports its peak. Nothing may
take more than assumed, since batches are refused by that number and never split. Needs CIFAR-10.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import measuring

from zcproxy import proxies, spaces
from zcproxy.runs.contract import environment
from zcproxy.runs.memory import needed

CELL = "|{0}~0|+|{0}~0|{0}~1|+|{0}~0|{0}~1|{0}~2|"
NETWORKS = {
    "six 3x3 convolutions per cell": CELL.format("nor_conv_3x3"),
    "six 1x1 convolutions per cell": CELL.format("nor_conv_1x1"),
    "three convolutions": "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|"
    "+|skip_connect~0|skip_connect~1|nor_conv_3x3~2|",
    "poolings only": CELL.format("avg_pool_3x3"),
}
CHEAP = proxies.cheap()
SETS = {"cheap": CHEAP, "cheap and grasp": [*CHEAP, "grasp"], "all": proxies.names()}
CASES = [(which, batch) for which in SETS for batch in (32, 64, 128)]

PROGRAM = """
import resource, sys
import torch
from zcproxy import datasets, spaces
from zcproxy.scoring import measure
torch.set_num_threads(1)
batch = datasets.batch("cifar10", int(sys.argv[2]), 0)
for _ in range(2):
    network = spaces.get("nasbench201").network(sys.argv[1], live=True)
    measure(network, batch.inputs, batch.targets, sys.argv[3].split(","))
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""


def main() -> None:
    """Measure, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    space = spaces.get("nasbench201")
    rows: list[dict[str, Any]] = []
    print(f"{'network':<32}{'proxies':>16}{'batch':>6}{'peak MiB':>10}{'assumed':>9}{'ratio':>7}")
    for name, architecture in NETWORKS.items():
        for which, batch in CASES:
            assumed = needed(space.blueprint(architecture).live, batch, SETS[which])
            found = peak(architecture, batch, SETS[which])
            rows.append({"network": name, "proxies": which, "batch": batch, "peak": found})
            rows[-1]["assumed"] = assumed
            print(
                f"{name:<32}{which:>16}{batch:>6}{found >> 20:>10,}{assumed >> 20:>9,}"
                f"{found / assumed:>7.2f}"
            )
    worst = max(row["peak"] / row["assumed"] for row in rows)
    print(f"\nat most {worst:.2f} of what is assumed")
    environment_now = measuring.environment()
    measuring.write(arguments.out, {"environment": environment_now, "worst": worst, "rows": rows})


def peak(architecture: str, batch: int, names: list[str]) -> int:
    """Bytes of resident memory at most."""
    command = [sys.executable, "-c", PROGRAM, architecture, str(batch), ",".join(names)]
    env = {**os.environ, **environment()}
    return int(json.loads(subprocess.run(command, env=env, capture_output=True, check=True).stdout))


if __name__ == "__main__":
    main()
