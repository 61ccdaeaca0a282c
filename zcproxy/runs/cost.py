"""How long scoring takes: seconds per network, fitted to measured ones, and what that predicts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from zcproxy.errors import InputError

if TYPE_CHECKING:
    from zcproxy.blueprint import Blueprint
    from zcproxy.store.database import Row

__all__ = [
    "CostModel",
    "Size",
    "fit",
    "mean_size",
    "relative_errors",
    "seconds_per_network",
    "size",
]


@dataclass(frozen=True)
class Size:
    """What the time of a network depends on.

    Attributes:
        activations: numbers that operations write, in millions per image. Operations of one space
            write about the same, so this stands for their number, and holds for other widths too.
        flops: multiply-adds, in billions per image.
    """

    activations: float
    flops: float


@dataclass(frozen=True)
class CostModel:
    """Seconds of one network on one worker: `fixed + per_activation * A + per_flop * F`.

    A is `Size.activations`, F is `Size.flops`; no coefficient is negative. It holds for the batch,
    the proxies and the kind of worker (core or GPU) it was fitted to.
    """

    fixed: float
    per_activation: float
    per_flop: float

    def seconds(self, size: Size) -> float:
        """Expected seconds of a network; of many networks' mean size, their mean seconds."""
        return self.fixed + self.per_activation * size.activations + self.per_flop * size.flops

    def total(self, size: Size, networks: int, workers: int = 1) -> float:
        """Expected wall time of many networks of this mean size, while all workers are busy.

        Raises: InputError without workers.
        """
        if workers < 1:
            raise InputError(f"{workers} workers finish nothing; give 1 or more")
        return networks * self.seconds(size) / workers


def size(blueprint: Blueprint) -> Size:
    """The size of a network without its dead operations; the skeleton's operations are left out."""
    stages = (
        channels * math.ceil(blueprint.image / 2**stage) ** 2
        for stage, channels in enumerate(blueprint.widths)
    )
    written = len(blueprint.cell.operations) * blueprint.cells * sum(stages)
    return Size(written / 1e6, blueprint.live_flops / 1e9)


def mean_size(sizes: Sequence[Size]) -> Size:
    """The mean of at least one size, feature by feature."""
    return Size(fmean(s.activations for s in sizes), fmean(s.flops for s in sizes))


def seconds_per_network(rows: Iterable[Row]) -> dict[str, float]:
    """Computing seconds of every network in a store, over all its proxies.

    Networks with a failure are left out: their measures ended early or were not begun.
    """
    seconds: dict[str, list[float]] = {}
    failed = set()
    for row in rows:
        seconds.setdefault(row.network, []).append(row.seconds)
        if row.failure is not None:
            failed.add(row.network)
    return {network: sum(each) for network, each in seconds.items() if network not in failed}


def fit(sizes: Mapping[str, Size], seconds: Mapping[str, float]) -> CostModel:
    """The model with the least squares of relative errors, coefficients not negative.

    Minimizes the sum over networks n of ((model(n) - seconds(n)) / seconds(n))^2 (Lawson and Hanson
    1974, chapter 23), so that small networks count as much as large ones.

    Args:
        sizes: of the networks, by key.
        seconds: measured, positive, of those of them to fit to.

    Raises: InputError for fewer than three networks, or a time that is not positive.
    """
    import numpy as np
    from scipy.optimize import nnls

    if len(seconds) < 3:
        raise InputError(f"three coefficients cannot be fitted to {len(seconds)} networks")
    times = np.array(list(seconds.values()), dtype=np.float64)
    if not (np.isfinite(times).all() and (times > 0).all()):
        raise InputError("a network cannot be scored in no time; all seconds must be positive")
    chosen = [sizes[network] for network in seconds]
    features = np.array([[1.0, s.activations, s.flops] for s in chosen])
    coefficients, _ = nnls(features / times[:, None], np.ones(len(times)))
    return CostModel(*map(float, coefficients))


def relative_errors(
    model: CostModel, sizes: Mapping[str, Size], seconds: Mapping[str, float]
) -> list[float]:
    """(predicted - measured) / measured of every network with measured seconds."""
    return [model.seconds(sizes[n]) / measured - 1 for n, measured in seconds.items()]
