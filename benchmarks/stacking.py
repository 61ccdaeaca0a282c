"""What it gains to score networks side by side: networks per second by the size of the stack.

    python benchmarks/stacking.py --device cuda --out benchmarks/results/stacking.json
    python benchmarks/stacking.py --space digits201 --batch-size 8 --stacks 1 4 --networks 8

Random connected networks of a space are scored one by one (`CellNetwork`, channels last), then in
stacks of K, each with the time to build it, in this one process. Stacks are filled in order of
cost, as a run fills them. Every size scores the same networks, and the largest relative difference
of any score from one by one is printed; with `--dtype float64` it shows that the values are equal,
while in float32 rounding alone moves some scores, GraSP on few images by per cents. Of several
repetitions after a warm-up the median counts, and how much the slowest took over the fastest.
`--run` times a run as `zcproxy score` makes it, too; its several processes share
the GPU.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import measuring
import torch

from zcproxy import proxies, scoring, spaces
from zcproxy.blueprint import Blueprint
from zcproxy.errors import InputError
from zcproxy.networks import CellNetwork
from zcproxy.networks.stacked import StackedNetwork
from zcproxy.runs import prepare, run
from zcproxy.runs.items import plan
from zcproxy.runs.stacks import WORKERS

Results = list[dict[str, scoring.Result]]
Batch = tuple[torch.Tensor, torch.Tensor]

MEASURED = [name for name in proxies.names() if name not in proxies.COUNTS]
DTYPES = {"float32": torch.float32, "float64": torch.float64}
ALL = 5_260
"""Distinct networks of NAS-Bench-201."""


def main() -> None:
    """Measure, compare, print, and write JSON."""
    options = arguments()
    torch.set_num_threads(options.threads)
    architectures, blueprints = networks(options.space, options.networks, options.seed)
    batch = images(blueprints[0], options)
    alone = measured(partial(one_by_one, blueprints, batch, options), options)
    result: dict[str, Any] = {
        "environment": environment(options.device),
        "options": {**vars(options), "out": str(options.out)},
        "one_by_one": told(alone, len(blueprints)),
        "stacks": {},
    }
    for size in options.stacks:
        score = partial(side_by_side, blueprints, batch, size, options)
        result["stacks"][size] = compared(score, alone, options)
    if options.run:
        result["run"] = whole_run(architectures, options)
    print("\n".join(lines(result)))
    measuring.write(options.out, result)


def arguments() -> argparse.Namespace:
    """What is measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--networks", type=int, default=64)
    parser.add_argument("--stacks", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--proxies", nargs="+", default=MEASURED)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument(
        "--dtype", choices=DTYPES, default="float32", help="float64 shows that values are equal"
    )
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of torch on processors")
    parser.add_argument("--run", action="store_true", help="time a whole run of these networks too")
    parser.add_argument("--workers", type=int, default=WORKERS, help="of that run")
    parser.add_argument("--out", type=Path, help="write JSON here")
    return parser.parse_args()


def networks(space: str, wanted: int, seed: int) -> tuple[list[str], list[Blueprint]]:
    """Random distinct connected networks, the most expensive first, as a run stacks them."""
    known = spaces.get(space)
    distinct = {known.key(a): a for a in known.architectures() if known.blueprint(a).connected}
    drawn = random.Random(seed).sample(list(distinct.values()), wanted)
    items = sorted(plan(known, drawn, ["snip"], {}), key=lambda item: (-item.cost, item.network))
    ordered = [item.architecture for item in items]
    return ordered, [known.blueprint(architecture).live for architecture in ordered]


def images(blueprint: Blueprint, options: argparse.Namespace) -> Batch:
    """A batch of noise on the device."""
    generator = torch.Generator().manual_seed(0)
    shape = (options.batch_size, blueprint.in_channels, blueprint.image, blueprint.image)
    inputs = torch.randn(shape, generator=generator).to(options.device, DTYPES[options.dtype])
    targets = torch.randint(blueprint.classes, shape[:1], generator=generator)
    return inputs, targets.to(options.device)


def one_by_one(
    blueprints: Sequence[Blueprint], batch: Batch, options: argparse.Namespace
) -> Results:
    """Every network built, moved and scored by itself."""
    return [
        scoring.measure(CellNetwork(blueprint).to(batch[0]), *batch, options.proxies)
        for blueprint in blueprints
    ]


def side_by_side(
    blueprints: Sequence[Blueprint], batch: Batch, size: int, options: argparse.Namespace
) -> Results:
    """The networks in stacks of a size, built on the device."""
    results: Results = []
    for start in range(0, len(blueprints), size):
        network = StackedNetwork(blueprints[start : start + size], device=options.device)
        results += scoring.measure_stacked(network.to(batch[0]), *batch, options.proxies)
    return results


def measured(score: Callable[[], Results], options: argparse.Namespace) -> dict[str, Any]:
    """Median seconds and their spread, peak memory, and the results; the first time is warm-up."""
    on_gpu = options.device != "cpu"
    score()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(options.device)
    seconds: list[float] = []
    results: Results = []
    for _ in range(options.repetitions):
        begun = time.perf_counter()
        results = score()
        if on_gpu:
            torch.cuda.synchronize(options.device)
        seconds.append(time.perf_counter() - begun)
    return {
        "seconds": statistics.median(seconds),
        "fastest": min(seconds),
        "slowest": max(seconds),
        "peak_bytes": peak(options.device),
        "results": results,
    }


def peak(device: str) -> int:
    """Most bytes in use: of tensors on a GPU, of this process so far on processors."""
    if device != "cpu":
        return int(torch.cuda.max_memory_allocated(device))
    import resource

    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def compared(
    score: Callable[[], Results], alone: dict[str, Any], options: argparse.Namespace
) -> dict[str, Any]:
    """What a size of stack gives over one by one, or that memory is too small for it."""
    try:
        found = measured(score, options)
    except (torch.OutOfMemoryError, InputError) as error:
        return {"failure": str(error).partition("\n")[0]}
    return {
        **told(found, len(found["results"])),
        "ratio": alone["seconds"] / found["seconds"],
        "largest_difference": difference(found["results"], alone["results"]),
    }


def told(found: dict[str, Any], count: int) -> dict[str, Any]:
    """What was measured, but for the results, and networks per second."""
    kept = {name: value for name, value in found.items() if name != "results"}
    return {**kept, "networks_per_second": count / found["seconds"]}


def difference(found: Results, expected: Results) -> dict[str, float]:
    """By proxy, the largest relative difference; failures must be the same.

    Raises: ValueError where only one of them has a score.
    """
    largest: dict[str, float] = {}
    for one, other in zip(found, expected, strict=True):
        for name, result in one.items():
            value, truth = result.value, other[name].value
            if value is None or truth is None:
                if result.failure != other[name].failure:
                    raise ValueError(f"{name}: {result} side by side, {other[name]} alone")
                continue
            error = abs(value - truth) / max(abs(truth), 1e-300)
            largest[name] = max(largest.get(name, 0.0), error)
    return largest


def whole_run(architectures: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """A run of these networks by the command's own means, with the start of its workers."""
    setup = prepare(options.space, "noise", batch_size=options.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        summary = run(
            setup,
            architectures,
            options.proxies,
            Path(folder) / "run.sqlite",
            workers=options.workers,
            device=options.device,
        )
    return {
        "workers": options.workers,
        "seconds": summary.seconds,
        "networks_per_second": summary.scored / summary.seconds,
    }


def environment(device: str) -> dict[str, Any]:
    """What was measured on."""
    found = {**measuring.environment(), "device": device}
    if device != "cpu":
        facts = torch.cuda.get_device_properties(device)
        found |= {
            "device": facts.name,
            "memory": facts.total_memory,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        }
    return found


def lines(result: dict[str, Any]) -> Iterator[str]:
    """The result as text."""
    yield ", ".join(f"{name} {value}" for name, value in result["environment"].items())
    yield f"{'':<11} networks/s   ratio   slowest/fastest   peak GiB   largest difference"
    for name, row in {"one by one": result["one_by_one"], **result["stacks"]}.items():
        if "failure" in row:
            yield f"{name:<11} {row['failure']}"
            continue
        spread, size = row["slowest"] / row["fastest"], row["peak_bytes"] / (1 << 30)
        text = f"{name:<11} {row['networks_per_second']:>10.2f} {row.get('ratio', 1.0):>7.2f}"
        text += f" {spread:>17.2f} {size:>10.2f}"
        for proxy, error in sorted(
            row.get("largest_difference", {}).items(), key=lambda each: -each[1]
        )[:1]:
            text += f"   {error:.0e} ({proxy})"
        yield text
    if "run" in result:
        yield "a run of {workers} workers: {networks_per_second:.2f} networks/s".format(
            **result["run"]
        )
    rates = [row["networks_per_second"] for row in result["stacks"].values() if "ratio" in row]
    if result["options"]["space"] == "nasbench201" and rates:
        minutes = ALL / max(rates) / 60
        yield f"all {ALL:,} networks would take {minutes:.1f} minutes at the best rate"


if __name__ == "__main__":
    main()
