"""Which of a network's parameters are the weights that measures look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from zcproxy.errors import InputError
from zcproxy.protocols import Protocol

__all__ = ["Weight", "find_weights"]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


@dataclass(frozen=True)
class Weight:
    """A weight that measures look at: its parameter name, and along which axis channels lie."""

    name: str
    channel: int
    groups: int = 1


def find_weights(network: nn.Module, protocol: Protocol) -> Iterator[Weight]:
    """The weights of convolution and linear layers in the order of `network.modules()`, once each.

    Raises: InputError for a weight that is no parameter but computed from others.
    """
    names = {id(p): name for name, p in network.named_parameters()}
    seen: set[str] = set()
    for module in network.modules():
        for parameter, channel, groups in _weights_of(module, protocol):
            if id(parameter) not in names:
                raise _computed(module)
            name = names[id(parameter)]
            if name not in seen:
                seen.add(name)
                yield Weight(name, channel, groups)


def _weights_of(module: nn.Module, protocol: Protocol) -> Iterator[tuple[Tensor, int, int]]:
    """Every weight of a layer, the axis of its channels, and the groups of that axis."""
    plain = (*_CONVOLUTIONS, nn.Linear) if protocol.attention else (nn.Conv2d, nn.Linear)
    if isinstance(module, plain):
        yield module.weight, 0, 1
    elif protocol.attention and isinstance(module, _TRANSPOSED):
        yield module.weight, 1, module.groups
    elif protocol.attention and isinstance(module, nn.MultiheadAttention):
        projections = [getattr(module, name) for name in _PROJECTIONS]
        yield from ((p, 0, 1) for p in projections if p is not None)


def _computed(module: nn.Module) -> InputError:
    return InputError(
        f"the weight of a {type(module).__name__} is computed from other parameters "
        "(weight norm, a mask or another parametrization); make it a parameter first with "
        "torch.nn.utils.parametrize.remove_parametrizations, "
        "torch.nn.utils.remove_weight_norm or torch.nn.utils.prune.remove"
    )
