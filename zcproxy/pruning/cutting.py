"""One round: from scores, survivors and a density to the weights that stay."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from torch import Tensor

from zcproxy.errors import InputError
from zcproxy.pruning import selection
from zcproxy.pruning.allocation import apportion, erk_shares, nearest

__all__ = ["SCOPES", "Layer", "cut", "numbers"]

SCOPES = ("global", "layer", "uniform", "erk")
"""Where weights compete: see `zcproxy.prune`."""

Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Layer:
    """A weight tensor, and what must be kept of it.

    Attributes:
        name: parameter name.
        shape: its shape.
        floor: least number of weights kept.
        protected: whether all are kept.
        cost: multiply-adds per weight; looked at only with a budget of them.
    """

    name: str
    shape: tuple[int, ...]
    floor: int = 0
    protected: bool = False
    cost: int = 1

    @property
    def size(self) -> int:
        """Number of weights."""
        return int(np.prod(self.shape, dtype=np.int64))


def cut(
    layers: list[Layer],
    scores: Mapping[str, Tensor],
    alive: Mapping[str, Bits],
    density: Fraction,
    scope: str,
    by_cost: bool = False,
) -> dict[str, Bits]:
    """Which of the weights still alive stay.

    Args:
        layers: all of them, in the order in which equal scores are kept.
        scores: one per weight, higher = keep; those of weights not alive play no part.
        alive: flat booleans by name; nothing else can stay.
        density: fraction of the weights (or of their multiply-adds) to keep.
        scope: one of `SCOPES`.
        by_cost: count multiply-adds instead of weights; only where the scope is global.

    Returns:
        Flat booleans by name.

    Raises:
        InputError: floors, protection or what is alive leave no solution.
        MeasureError: a score is not finite.
    """
    values = {
        layer.name: numbers(scores[layer.name])[alive[layer.name]]
        for layer in layers
        if not layer.protected
    }
    if scope != "global":
        counts = _counts(layers, alive, density, scope)
        chosen = {
            name: selection.best(v, np.ones(len(v), bool), counts[name])
            for name, v in values.items()
        }
    elif by_cost:
        chosen = _cheapest(layers, values, density)
    else:
        chosen = _everywhere(layers, values, _target(layers, density))
    result = {}
    for layer in layers:
        kept = alive[layer.name].copy()
        if not layer.protected:
            kept[kept] = chosen[layer.name]
        result[layer.name] = kept
    return result


def numbers(scores: Tensor) -> npt.NDArray[np.floating]:
    """Scores as a flat array in single or double precision."""
    flat = scores.detach().flatten().cpu()
    found: npt.NDArray[np.floating] = (flat.float() if flat.itemsize < 4 else flat).numpy()
    return found


def _target(layers: list[Layer], density: Fraction) -> int:
    """How many weights all layers together keep."""
    total = nearest(density * sum(layer.size for layer in layers))
    if total < 1:
        raise InputError(f"a density of {float(density):g} keeps no weight; ask for a higher one")
    return total


def _floors(layers: list[Layer], values: Mapping[str, npt.NDArray[np.floating]]) -> dict[str, Bits]:
    """For every layer that may lose weights, its best ones, as many as it must keep."""
    least = {layer.name: layer.floor for layer in layers}
    return {
        name: selection.best(v, np.ones(len(v), bool), min(least[name], len(v)))
        for name, v in values.items()
    }


def _everywhere(
    layers: list[Layer], values: Mapping[str, npt.NDArray[np.floating]], total: int
) -> dict[str, Bits]:
    """The best weights of all layers together."""
    certain = _floors(layers, values)
    protected = sum(layer.size for layer in layers if layer.protected)
    must = protected + sum(int(np.count_nonzero(c)) for c in certain.values())
    can = protected + sum(len(v) for v in values.values())
    if not must <= total <= can:
        raise InputError(
            f"{total} weights are to be kept, but protected layers and floors keep {must} and only "
            f"{can} are there to keep; change the sparsity, the floor or what is protected"
        )
    if not values:
        return {}
    forced = np.concatenate(list(certain.values()))
    scores = np.concatenate(list(values.values()))
    return _split(values, forced | selection.best(scores, ~forced, total - must))


def _cheapest(
    layers: list[Layer], values: Mapping[str, npt.NDArray[np.floating]], density: Fraction
) -> dict[str, Bits]:
    """The best weights of all layers together whose multiply-adds fit into the budget."""
    certain = _floors(layers, values)
    cost = {layer.name: layer.cost for layer in layers}
    budget = int(density * sum(layer.cost * layer.size for layer in layers))
    spent = sum(layer.cost * layer.size for layer in layers if layer.protected)
    spent += sum(cost[name] * int(np.count_nonzero(c)) for name, c in certain.items())
    if spent > budget:
        raise InputError(
            f"protected layers and floors need {spent} multiply-adds and the budget is {budget}; "
            "change the sparsity, the floor or what is protected"
        )
    if not values:
        return {}
    forced = np.concatenate(list(certain.values()))
    scores = np.concatenate(list(values.values()))
    costs = np.concatenate([np.full(len(v), cost[n], np.int64) for n, v in values.items()])
    return _split(values, forced | selection.fill(scores, ~forced, costs, budget - spent))


def _split(values: Mapping[str, npt.NDArray[np.floating]], marked: Bits) -> dict[str, Bits]:
    ends = np.cumsum([len(v) for v in values.values()])
    parts = itertools.pairwise([0, *ends.tolist()])
    return {name: marked[a:b] for name, (a, b) in zip(values, parts, strict=True)}


def _counts(
    layers: list[Layer], alive: Mapping[str, Bits], density: Fraction, scope: str
) -> dict[str, int]:
    """How many weights every layer keeps where layers do not compete."""
    there = {layer.name: int(np.count_nonzero(alive[layer.name])) for layer in layers}
    if scope == "layer":
        wanted = {x.name: max(x.floor, nearest(density * x.size)) for x in layers}
        return {name: min(there[name], count) for name, count in wanted.items()}
    least = [x.size if x.protected else min(x.floor, there[x.name]) for x in layers]
    shares = (
        [x.size for x in layers] if scope == "uniform" else erk_shares([x.shape for x in layers])
    )
    parts = apportion(_target(layers, density), shares, least, list(there.values()))
    return dict(zip(there, parts, strict=True))
