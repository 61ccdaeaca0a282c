"""What commands take before they do anything, and what a scoring run costs besides scoring.

    python benchmarks/startup.py --out benchmarks/results/startup.json

Wall-clock seconds, the median of five, and whether torch was imported. The fixed cost of a run is
the time of `zcproxy score` for one tiny network (digits201) with one worker.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import measuring

PROGRAM = """
import sys
from zcproxy.cli import main
sys.argv = ["zcproxy", *sys.argv[1:]]
try:
    main()
finally:
    print("torch" in sys.modules, file=sys.stderr)
"""
SCORES = Path(__file__).parent.parent / "data" / "scores" / "nasbench201-cifar10.parquet"
REPEATS = 5


def main() -> None:
    """Time the commands, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    commands = {
        "zcproxy --help": ["--help"],
        "zcproxy list": ["list"],
        "zcproxy score --help": ["score", "--help"],
        "zcproxy correlate, 15,625 architectures": ["correlate", str(SCORES)],
    }
    values: dict[str, Any] = {"environment": measuring.environment()}
    for name, command in commands.items():
        runs = [timed(command) for _ in range(REPEATS)]
        torch = "imports torch" if any(imported for _, imported in runs) else "without torch"
        values[name] = statistics.median(seconds for seconds, _ in runs)
        print(f"{name:<44}{values[name]:6.2f} s, {torch}")
    with tempfile.TemporaryDirectory() as folder:
        tiny = ["score", "--space", "digits201", "--sample", "1", "--proxies", "snip"]
        stores = [str(Path(folder) / f"{i}.sqlite") for i in range(REPEATS)]
        run = [timed([*tiny, "--workers", "1", "--store", store])[0] for store in stores]
    name = "zcproxy score, one tiny network: fixed cost"
    values[name] = statistics.median(run)
    print(f"{name:<44}{values[name]:6.2f} s")
    measuring.write(arguments.out, values)


def timed(arguments: list[str]) -> tuple[float, bool]:
    """Seconds of a command in a process of its own, and whether that imported torch."""
    start = time.perf_counter()
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    return seconds, done.stderr.strip().splitlines()[-1] == "True"


if __name__ == "__main__":
    main()
