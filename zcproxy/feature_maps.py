"""See the feature maps of a network that runs: of every layer, or the last before pooling."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

__all__ = ["LayerMaps", "PooledMap"]

_NORMS = frozenset(("batch_norm", "group_norm", "instance_norm", "local_response_norm"))
_LAST_NORMS = frozenset(("layer_norm", "rms_norm"))
_POOLS = frozenset(
    f"{adaptive}{kind}_pool{d}d"
    for adaptive in ("", "adaptive_")
    for kind in ("avg", "max")
    for d in (1, 2, 3)
) | frozenset(f"lp_pool{d}d" for d in (1, 2, 3))
_CONVOLUTIONS = frozenset(f"conv{kind}{d}d" for kind in ("", "_transpose") for d in (1, 2, 3))
_RECTIFIERS = frozenset(
    (
        *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "hardtanh", "threshold"),
        *("clamp", "clamp_min", "hardswish", "hardsigmoid", "hardshrink", "softshrink"),
    )
)
_SMOOTH = frozenset(
    (
        *("elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "tanh", "sigmoid"),
        *("softsign", "log_sigmoid", "logsigmoid", "tanhshrink"),
    )
)
_ACTIVATIONS = _RECTIFIERS | _SMOOTH
_SECOND = _NORMS | _POOLS | _CONVOLUTIONS
"""Layers whose channels are axis 1."""
_LAYERS = _SECOND | _LAST_NORMS | _ACTIVATIONS | {"linear"}
_WEIGHTED = _CONVOLUTIONS | frozenset(
    ("linear", "multi_head_attention_forward", "lstm", "gru", "rnn_tanh", "rnn_relu")
)
_PERMUTING = frozenset(("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis"))
_REARRANGING = _PERMUTING | {"flatten", "view", "reshape", "contiguous"}


class LayerMaps(TorchFunctionMode):
    """Shows what every layer gives out, right when it does, with channels on axis 1.

    Layers are calls of convolutions, linear layers, normalizations, activations and poolings, in
    modules or in functions; what only routes or adds (identities, sums, reshapes) is none.
    Channels lie on the last axis of what linear layers and norms over one axis (layer and RMS
    norm) make of more than rows (N, features), as of tokens; those of activations and of norms
    over several axes lie where they do for the layer that ran before, or where a permutation of the
    axes has brought them since.

    Args:
        see: called with every layer's output (N, C, ...), without its graph, and with its node of
            the graph, if there is one.
    """

    def __init__(self, see: Callable[[Tensor, Any], None]) -> None:
        super().__init__()
        self._see = see
        self._last = False

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = _name(func)
        if name in _PERMUTING:
            self._last = _last_after(func, args, kwargs, self._last)
        if name in _LAYERS and isinstance(result, Tensor):
            if name in _SECOND:
                self._last = False
            elif result.dim() > 2 and (name == "linear" or _over_one_axis(name, args, kwargs)):
                self._last = True
            values = result.detach()
            moved = self._last and values.dim() > 2
            self._see(values.movedim(-1, 1) if moved else values, result.grad_fn)
        return result


class PooledMap(TorchFunctionMode):
    """Keeps the last feature map before pooling, and what batch norms divide by.

    A feature map is a tensor (N, C, H, W) with more than one position that goes into a function
    other than a convolution and comes out without positions: with fewer dimensions, as from
    `mean((2, 3))` or `flatten(1)`, or 1 x 1, as from adaptive pooling. What only rearranges
    positions, as `flatten(2)` does, loses none; what comes out of it is still the map.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: list[tuple[Tensor | None, Any]] = []  # a pooled map, or None for a layer
        self._variances: list[tuple[Tensor, Any]] = []
        self._rearranged: dict[int, tuple[Tensor, Tensor]] = {}

    def last(self, reached: Collection[Any] | None = None) -> Tensor | None:
        """The last map that was pooled, None if none was or if layers ran on positions after it.

        Args:
            reached: the nodes that count, such as those of the output's graph; None for all.
        """
        for pooled, node in reversed(self._seen):
            if reached is None or node in reached:
                return pooled if pooled is None else pooled.detach()
        return None

    def variances(self, reached: Collection[Any] | None = None) -> list[Tensor]:
        """For every batch norm the variance per channel that it divides by.

        Of the batch, or in evaluation mode its running one; `reached` as for `last`.
        """
        return [v for v, node in self._variances if reached is None or node in reached]

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm:
            return self._batch_norm(*args, **kwargs)
        before = args[0] if args else kwargs.get("input")
        result = func(*args, **kwargs)
        name = _name(func)
        if name in _WEIGHTED:
            given = result[0] if isinstance(result, tuple) else result
            if _has_positions(name, given):
                self._seen.append((None, given.grad_fn))
        elif isinstance(before, Tensor) and isinstance(result, Tensor):
            self._note(name, before, result)
        return result

    def _note(self, name: str, before: Tensor, after: Tensor) -> None:
        """Keep a map that lost its positions, but not its images, or remember its rearrangement."""
        if after.shape == before.shape and name not in _REARRANGING:
            return  # most calls
        if name.startswith("new_") or not after.dim() or len(after) != len(before):
            return
        alias = self._rearranged.get(id(before))
        if alias is None and (before.dim() != 4 or before.shape[2:].numel() < 2):
            return
        source = before if alias is None else alias[1]
        gone = after.dim() < 3 or after.shape[2:].numel() == 1
        if name in _REARRANGING and not gone:
            if after.dim() == 3:
                self._rearranged[id(after)] = after, source  # kept, its identity stays its own
        elif gone or (alias is None and after.dim() == 3):
            self._seen.append((source, after.grad_fn))

    def _batch_norm(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """Batch norm by the kernel that also tells what it divided by."""
        variance = None if training or running_var is None else running_var.clone()
        result, _, inverse = torch.native_batch_norm(
            input, weight, bias, running_mean, running_var, training, momentum, eps
        )
        if variance is None and training:
            variance = (inverse.detach().double() ** -2 - eps).clamp_min(0)
        if variance is not None:
            self._variances.append((variance, result.grad_fn))
        return result


def _name(func: Any) -> str:
    """The name of a function, whether in place or not."""
    return str(getattr(func, "__name__", "")).strip("_")


def _last_after(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], last: bool) -> bool:
    """Whether channels lie on the last axis after a permutation, from whether they did before.

    They stay where they are said to be unless they go from axis 1 to the last one, or back.
    """
    given = (args or tuple(kwargs.values()))[0]
    if not isinstance(given, Tensor) or given.dim() < 3:
        return last
    named = torch.empty(tuple(range(2, 2 + given.dim())), device="meta")  # every axis by its size
    how = {name: named if value is given else value for name, value in kwargs.items()}
    axes = [size - 2 for size in func(*(named if x is given else x for x in args), **how).shape]
    channels = given.dim() - 1 if last else 1
    if axes.index(channels) in (1, given.dim() - 1):
        return axes.index(channels) != 1
    return last


def _over_one_axis(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call is of a norm over the last axis alone."""
    return (
        name in _LAST_NORMS and len(args[1] if len(args) > 1 else kwargs["normalized_shape"]) == 1
    )


def _has_positions(name: str, output: Tensor) -> bool:
    """Whether a layer with weights gave out more than one position."""
    shape = output.shape
    channels = 1 if name in _CONVOLUTIONS else -1
    return len(shape) > 2 and output.numel() > shape[0] * shape[channels]
