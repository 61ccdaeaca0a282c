"""To and from `torch.nn.utils.prune`, which keeps `weight_orig` and `weight_mask`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

from zcproxy.errors import InputError
from zcproxy.leaves import places

__all__ = ["install", "read"]

_LAYERS = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)


def install(network: nn.Module, kept: Mapping[str, Tensor]) -> None:
    """Prune every place of every weight with torch's custom masks."""
    targets = [
        (*_split(network, place), kept[name])
        for place, name in places(network).items()
        if name in kept
    ]
    bypassed = {
        module.out_proj for module in network.modules() if isinstance(module, nn.MultiheadAttention)
    }
    if any(module in bypassed for module, _, _ in targets):
        raise InputError(
            "torch.nn.utils.prune cannot prune the output projection of nn.MultiheadAttention, "
            "which never calls that layer; use mask.attach(network)"
        )
    for module, attribute, bits in targets:
        own = getattr(module, attribute)
        torch_prune.custom_from_mask(  # type: ignore[no-untyped-call]
            module, attribute, mask=bits.to(own.device)
        )


def read(network: nn.Module) -> dict[str, Tensor]:
    """The masks of a network pruned by torch, and full ones of its other layers."""
    first: dict[int, str] = {}
    found: dict[str, Tensor] = {}
    pruned = False
    for path, module in network.named_modules():
        for attribute, parameter, bits in _weights(module):
            name = f"{path}.{attribute}".lstrip(".")
            name = first.setdefault(id(parameter), name)
            pruned |= bits is not None
            mine = torch.ones_like(parameter, dtype=torch.bool) if bits is None else bits != 0
            if name in found and not torch.equal(found[name], mine):
                raise InputError(f"{name} is shared by layers that are pruned differently")
            found[name] = mine
    if not pruned:
        raise InputError("no parameter of this network is pruned with torch.nn.utils.prune")
    return found


def _weights(module: nn.Module) -> Iterator[tuple[str, Tensor, Tensor | None]]:
    """Attribute, parameter and torch's mask, if any, of what can be in a mask."""
    for attribute, parameter in module.named_parameters(recurse=False):
        original = attribute.removesuffix("_orig")
        bits = getattr(module, f"{original}_mask", None) if original != attribute else None
        if isinstance(bits, Tensor):
            yield original, parameter, bits
        elif _prunable(module, attribute):
            yield attribute, parameter, None


def _prunable(module: nn.Module, attribute: str) -> bool:
    """Whether zcproxy would prune this parameter."""
    if isinstance(module, nn.MultiheadAttention):
        return attribute.endswith("_proj_weight")
    return isinstance(module, _LAYERS) and attribute == "weight"


def _split(network: nn.Module, place: str) -> tuple[nn.Module, str]:
    path, _, attribute = place.rpartition(".")
    return network.get_submodule(path), attribute
