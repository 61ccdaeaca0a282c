"""A network's parameters and a batch as leaves of a graph of our own, which share their memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zcproxy.errors import InputError, kind_of

__all__ = ["Inputs", "batch_leaves", "ones_like_first", "parameter_leaves", "places", "usable"]

Inputs = Tensor | Sequence[Tensor] | Mapping[str, Tensor]
"""A batch: one tensor, several positional ones, or several by the names of `forward`."""


def parameter_leaves(network: nn.Module) -> dict[str, Tensor]:
    """The parameters by name, as leaves of their own that share memory with the network's.

    Raises: InputError for a parameter without a shape, and for a complex one.
    """
    leaves = {}
    for name, p in network.named_parameters():
        if isinstance(p, nn.UninitializedParameter):
            raise InputError(f"{name} has no shape yet; run the network once on a batch first")
        if p.is_complex():
            raise InputError(f"{name} is complex; measures are defined for real weights")
        leaves[name] = usable(p).detach().requires_grad_(p.is_floating_point())
    return leaves


def places(network: nn.Module) -> dict[str, str]:
    """Every place of a parameter or buffer and its name; a place in a shared module only once.

    With its own `tie_weights`, torch does not give a module that occurs twice its weights back.
    """
    names = {id(t): name for name, t in (*network.named_parameters(), *network.named_buffers())}
    found = {}
    for prefix, module in network.named_modules():
        for kind in (module.named_parameters, module.named_buffers):
            for name, tensor in kind(prefix, recurse=False, remove_duplicate=False):
                found[name] = names[id(tensor)]
    return found


def batch_leaves(inputs: Inputs) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """Positional and named inputs, floating ones as leaves of their own that require gradients.

    Raises: InputError for what is no tensor, no sequence or mapping of them, and for no examples.
    """
    if isinstance(inputs, Tensor):
        return (_leaf(inputs),), {}
    if not isinstance(inputs, Mapping | Sequence):
        raise _no_tensors(inputs)
    if not len(inputs):
        raise InputError("the batch is empty: there are no inputs")
    if isinstance(inputs, Mapping):
        return (), {name: _leaf(x) for name, x in inputs.items()}
    return tuple(_leaf(x) for x in inputs), {}


def _leaf(x: Any) -> Tensor:
    if not isinstance(x, Tensor):
        raise _no_tensors(x)
    if x.dim() == 0 or len(x) == 0:
        raise InputError(f"the batch is empty: an input has shape {tuple(x.shape)}")
    return usable(x).detach().requires_grad_(x.is_floating_point())


def _no_tensors(x: object) -> InputError:
    return InputError(
        f"inputs must be tensors, not {kind_of(x)}: give one tensor, a list of them, or a "
        "dict by the argument names of the network's forward"
    )


def usable(x: Tensor) -> Tensor:
    """x itself, or a copy if it was made under `inference_mode` and autograd refuses it."""
    return x.clone() if x.is_inference() else x


def ones_like_first(x: Tensor) -> Tensor:
    """A batch of one: ones in float64 in the shape of the first example, or its integers."""
    first = x.detach()[:1]
    return torch.ones_like(first, dtype=torch.float64) if x.is_floating_point() else first
