"""The forecast of layer collapse: at which density a method first empties a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import nn

from zcproxy.errors import InputError
from zcproxy.probe import Inputs
from zcproxy.pruning import methods
from zcproxy.pruning.batches import Batches
from zcproxy.pruning.cutting import Layer, cut
from zcproxy.pruning.pruner import prune

__all__ = ["Collapse", "critical_density"]


@dataclass(frozen=True)
class Collapse:
    """The first density of a grid at which layers lose all their weights.

    Attributes:
        exponent: log10 of the compression, 1 / density.
        density: of weights.
        layers: names of the emptied layers.
    """

    exponent: float
    density: float
    layers: tuple[str, ...]

    def __str__(self) -> str:
        return f"10^{self.exponent:g} (density {self.density:.3g}): {', '.join(self.layers)}"


def critical_density(
    network: nn.Module,
    inputs: Inputs | Batches | None,
    targets: Any = None,
    method: str = "synflow",
    *,
    step: float = 0.25,
    start: float | None = None,
    stop: float | None = None,
    progress: Callable[[float], None] | None = None,
    **how: Any,
) -> Collapse | None:
    """At which compression of a grid a method first leaves a layer without weights.

    Nothing is trained. Every compression is pruned to from the dense network anew; where a method
    has a single round and global scope, its scores are computed once.

    Args:
        network, inputs, targets, method: as for `zcproxy.prune`.
        step: distance of grid points, in log10 of the compression.
        start: first grid point; default one step.
        stop: last grid point; default where a network of so many weights has fewer than layers.
        progress: called with the exponent before each.
        how: other arguments of `zcproxy.prune`, but sparsity, density and initial.

    Returns:
        Where it happens first, and to which layers; None if not up to `stop`.

    Raises:
        InputError: as `zcproxy.prune`, or a grid without points.

    Source: layer collapse and critical compression, Tanaka et al., SynFlow, NeurIPS 2020,
    arXiv:2006.05467, section 3.
    """
    if forbidden := sorted(how.keys() & {"density", "sparsity", "initial"}):
        raise InputError(f"the forecast chooses densities itself; leave out {forbidden[0]}")
    if not step > 0:
        raise InputError(f"step must be positive, it is {step}")
    weights = methods.prunable(network, how.get("protocol", "clean"))
    total = sum(w.numel() for w in weights.values())
    limit = torch.log10(torch.tensor(total / len(weights), dtype=torch.float64)).item()
    last = limit + step if stop is None else stop
    first = step if start is None else start
    exponents = [first + step * k for k in range(int((last - first) / step + 1e-9) + 1)]
    if not exponents or first > last:
        raise InputError(f"there is no grid point between start={first} and stop={last}")
    emptied = _single(network, inputs, targets, method, how) or _anew(
        network, inputs, targets, method, how
    )
    for exponent in exponents:
        if progress is not None:
            progress(exponent)
        density = 10.0**-exponent
        layers = tuple(weights) if density * total < 0.5 else emptied(density)
        if layers:
            return Collapse(exponent, density, tuple(layers))
    return None


def _anew(
    network: nn.Module, inputs: Any, targets: Any, method: str, how: dict[str, Any]
) -> Callable[[float], list[str]]:
    def emptied(density: float) -> list[str]:
        return prune(network, inputs, targets, method, density=density, **how).collapsed

    return emptied


def _single(
    network: nn.Module, inputs: Any, targets: Any, method: str, how: dict[str, Any]
) -> Callable[[float], list[str]] | None:
    """The same where one scoring serves all densities."""
    rounds = how.get("rounds")
    plain = how.keys() <= {"rounds", "schedule", "scope", "seed", "loss", "protocol", "budget"}
    if (methods.get(method).rounds if rounds is None else rounds) != 1 or not plain:
        return None
    if (how.get("scope", "global"), how.get("budget", "weights")) != ("global", "weights"):
        return None
    options = {key: how[key] for key in ("seed", "loss", "protocol") if key in how}
    scores = methods.saliency_scores(network, inputs, targets, method, **options)
    layers = [Layer(name, tuple(values.shape)) for name, values in scores.items()]
    alive = {name: torch.ones(values.numel()).bool().numpy() for name, values in scores.items()}

    def emptied(density: float) -> list[str]:
        kept = cut(layers, scores, alive, Fraction(repr(density)), "global")
        return [name for name, bits in kept.items() if not bits.any()]

    return emptied
