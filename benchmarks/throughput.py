"""How close a scoring run comes to what its convolutions could do alone.

    python benchmarks/throughput.py --out benchmarks/results/throughput.json

One process, one thread. Prints GFLOP/s of scoring (two operations per multiply-add of
convolutions: one forward pass, two of the loss's backward pass, one of the input Jacobian, four of
GraSP), of the same convolutions called in a tight loop on inputs of the same shapes, and of a large
matrix product; and the share of time that PyTorch's profiler sees outside convolutions. Needs
CIFAR-10.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measuring
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from zcproxy import datasets, spaces
from zcproxy.scoring import measure

CHEAP = tuple(name for name in measuring.PROXIES if name != "grasp")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", type=int, default=12)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    architectures = measuring.distinct(arguments.networks, seed=2)
    values: dict[str, Any] = {"environment": measuring.environment()}
    values["matrix product, GFLOP/s"] = peak()
    for title, proxies, passes in (
        ("without grasp", CHEAP, 4),
        ("with grasp", measuring.PROXIES, 8),
    ):
        values[title] = rates(architectures, proxies, passes)
        measuring.show(title, values[title])
    measuring.show("machine", {"matrix product, GFLOP/s": values["matrix product, GFLOP/s"]})
    measuring.show("environment", values["environment"])
    measuring.write(arguments.out, values)


def peak(size: int = 2048) -> float:
    """GFLOP/s of a float32 matrix product, the best of five."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / min(seconds(lambda: a @ b) for _ in range(5)) / 1e9


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def rates(architectures: list[str], proxies: tuple[str, ...], passes: int) -> dict[str, float]:
    """GFLOP/s of scoring and of its convolutions alone, and the share of time outside them."""
    space = spaces.get("nasbench201")
    batch = datasets.batch("cifar10", 64, 0)

    def run() -> None:
        for architecture in architectures:
            network = space.network(architecture, seed=0, live=True)
            measure(network, batch.inputs, batch.targets, proxies)

    run()
    scoring = seconds(run)
    flops = 2 * passes * 64 * sum(space.blueprint(a).live_flops for a in architectures) / 1e9
    alone = sum(
        convolutions(space.network(a, live=True), batch.inputs, passes) for a in architectures
    )
    with profile(activities=[ProfilerActivity.CPU]) as record:
        run()
    times = {event.key: event.self_cpu_time_total for event in record.key_averages()}
    inside = sum(spent for name, spent in times.items() if "conv" in name and "aten" in name)
    return {
        "scoring, s per network": scoring / len(architectures),
        "scoring, GFLOP/s": flops / scoring,
        "its convolutions in a tight loop, GFLOP/s": flops / alone,
        "share of the tight loop": alone / scoring,
        "share of time outside convolutions": 1 - inside / sum(times.values()),
    }


def convolutions(network: nn.Module, images: Tensor, passes: int) -> float:
    """Seconds of all convolutions of a network, each alone in a loop of three."""
    shapes: list[tuple[nn.Conv2d, Tensor]] = []
    hooks = [
        module.register_forward_hook(lambda m, x, _: shapes.append((m, x[0].detach())))
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        network(images)
        for hook in hooks:
            hook.remove()
        return sum(_one(module, x, passes) for module, x in shapes)


def _one(module: nn.Conv2d, x: Tensor, passes: int) -> float:
    how = (module.stride, module.padding, [1, 1], False, [0, 0], 1)
    gradient = torch.randn_like(module(x))

    def backward(of_x: bool, of_weight: bool) -> object:
        mask = [of_x, of_weight, False]
        return torch.ops.aten.convolution_backward(gradient, x, module.weight, None, *how, mask)

    def once() -> None:
        module(x)
        backward(True, True)
        backward(True, False)
        if passes == 8:
            module(x)
            backward(True, True)
            backward(False, True)

    once()
    return min(seconds(once) for _ in range(3))


if __name__ == "__main__":
    main()
