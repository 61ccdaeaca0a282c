"""Controls for a mask: what else with the same numbers would do as well?"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zcproxy.errors import InputError
from zcproxy.pruning.allocation import apportion, erk_shares
from zcproxy.pruning.cutting import Layer, numbers
from zcproxy.pruning.mask import Mask
from zcproxy.pruning.selection import best
from zcproxy.undisturbed import undisturbed_randomness

__all__ = ["erk_like", "inverted", "random_like", "reinitialized", "shuffled"]


def shuffled(mask: Mask, seed: int) -> Mask:
    """The mask with the positions inside every layer permuted at random; counts stay.

    Source: Frankle et al., ICLR 2021, arXiv:2009.08576, section 5.
    """
    generator = _generator("shuffled", seed)
    kept = {
        name: bits.flatten()[torch.randperm(bits.numel(), generator=generator)].view(bits.shape)
        for name, bits in mask.items()
    }
    return _control(mask, kept, "shuffled", seed)


def random_like(mask: Mask, seed: int) -> Mask:
    """As many random weights of every layer as the mask keeps there.

    Drawn like `shuffled`, whose distribution is the same; another stream of random numbers, so it
    is a second, independent sample of it.
    """
    counts = {name: int(bits.sum()) for name, bits in mask.items()}
    return _drawn(mask, counts, "random_like", seed)


def erk_like(mask: Mask, network: nn.Module, seed: int) -> Mask:
    """As many random weights as the mask keeps in all, divided among layers as ERK does.

    Raises: InputError if the mask is for another network.

    Source: Evci et al., RigL, ICML 2020, arXiv:1911.11134, section 3.
    """
    mask.fits(network)
    shapes = [tuple(bits.shape) for bits in mask.values()]
    sizes = [bits.numel() for bits in mask.values()]
    parts = apportion(mask.kept, erk_shares(shapes), [0] * len(sizes), sizes)
    return _drawn(mask, dict(zip(mask, parts, strict=True)), "erk_like", seed)


def inverted(mask: Mask, scores: Mapping[str, Tensor], scope: str = "layer") -> Mask:
    """As many weights as the mask keeps, but those with the lowest scores.

    Scores are negated, so zero is a score like any other; equal ones are kept in their order.

    Args:
        mask: whose numbers are kept.
        scores: one per weight, as of `saliency_scores`.
        scope: "layer": the lowest of every layer, as many as the mask keeps there. "global": the
            lowest of all together.

    Raises:
        InputError: the scores are not those of the mask's weights; another scope.
    """
    if scope not in ("layer", "global"):
        raise InputError(f"scope must be 'layer' or 'global', not {scope!r}")
    mask.check({name: tuple(values.shape) for name, values in scores.items()})
    opposite = {name: -scores[name] for name in mask}
    layers = [Layer(name, tuple(bits.shape)) for name, bits in mask.items()]
    groups = [layers] if scope == "global" else [[layer] for layer in layers]
    kept: dict[str, Tensor] = {}
    for group in groups:
        count = sum(int(mask[layer.name].sum()) for layer in group)
        kept |= _best(group, opposite, count)
    return _control(mask, kept, f"inverted ({scope})", None)


def reinitialized(
    network: nn.Module, seed: int, initialize: Callable[[nn.Module], None] | None = None
) -> nn.Module:
    """A copy of a network with other initial weights from the same distribution.

    Args:
        network: left as it was.
        seed: of the new weights; global random states are not disturbed.
        initialize: draws the weights of a network in place from torch's global random state. By
            default every module's own `reset_parameters`, PyTorch's default initialization: give
            yours if the network was initialized in another way.

    Raises:
        InputError: a module has parameters and no way to draw them anew; names it.
    """
    other = copy.deepcopy(network)
    with undisturbed_randomness(seed), torch.no_grad():
        if initialize is not None:
            initialize(other)
            return other
        for name, module in other.named_modules():
            reset = getattr(module, "reset_parameters", getattr(module, "_reset_parameters", None))
            if reset is not None:
                reset()
            elif next(module.parameters(recurse=False), None) is not None:
                raise InputError(
                    f"{name or type(module).__name__} has parameters and no reset_parameters(); "
                    "give initialize=, a function that draws the network's weights"
                )
    return other


def _best(layers: list[Layer], scores: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    sizes = [layer.size for layer in layers]
    values = np.concatenate([numbers(scores[layer.name]) for layer in layers])
    marked = torch.from_numpy(best(values, np.ones(len(values), bool), count))
    parts = zip(layers, torch.split(marked, sizes), strict=True)
    return {layer.name: part.view(layer.shape) for layer, part in parts}


def _drawn(mask: Mask, counts: Mapping[str, int], name: str, seed: int) -> Mask:
    """A mask of the same shapes with random weights, so many of every layer."""
    generator = _generator(name, seed)
    kept = {}
    for layer, bits in mask.items():
        flat = torch.zeros(bits.numel(), dtype=torch.bool)
        flat[torch.randperm(bits.numel(), generator=generator)[: counts[layer]]] = True
        kept[layer] = flat.view(bits.shape)
    return _control(mask, kept, name, seed)


def _generator(name: str, seed: int) -> torch.Generator:
    """A stream of its own, whatever else was drawn from the same seed."""
    digest = hashlib.sha256(f"zcproxy control {name} {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))


def _control(mask: Mask, kept: Mapping[str, Tensor], name: str, seed: int | None) -> Mask:
    recipe: dict[str, Any] = {"control": name, "seed": seed, "of": dict(mask.recipe)}
    return Mask(kept, recipe=recipe, batch_sha256=mask.batch_sha256)
