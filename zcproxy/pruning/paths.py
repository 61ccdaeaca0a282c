"""Which weights lie on a path from input to output."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from zcproxy.calls import call_network, tensor_of
from zcproxy.leaves import batch_leaves, places
from zcproxy.probe import Inputs
from zcproxy.pruning.attention import multi_head_attention, scaled_dot_product_attention, spread
from zcproxy.recorder import Linearizer
from zcproxy.undisturbed import gradients_enabled, training_mode, undisturbed_randomness

__all__ = ["effective"]

_LAYERS = (
    F.linear,
    *(torch.conv1d, torch.conv2d, torch.conv3d),
    *(torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d),
)

_MONOTONE = (
    *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu"),
    *("mish", "sigmoid", "tanh", "hardswish", "hardsigmoid", "hardtanh", "softplus", "softsign"),
    *("logsigmoid", "tanhshrink", "softshrink", "hardshrink", "threshold", "clamp", "clip"),
    *("clamp_min", "clamp_max", "exp", "expm1", "log1p", "erf", "atan", "arctan", "sqrt", "abs"),
)


def _functions(names: tuple[str, ...]) -> frozenset[Any]:
    """The functions of these names, in place or not, wherever torch has them."""
    homes = (torch, F, Tensor)
    both = [n for name in names for n in (name, f"{name}_")]
    return frozenset(getattr(home, n) for home in homes for n in both if hasattr(home, n))


_ACTIVATIONS = _functions(_MONOTONE)
_SPREADING = _functions(("softmax", "log_softmax", "softmin"))
_POOLS = {
    **dict.fromkeys((F.max_pool1d, torch.max_pool1d), F.avg_pool1d),
    **dict.fromkeys((F.max_pool2d, torch.max_pool2d), F.avg_pool2d),
    **dict.fromkeys((F.max_pool3d, torch.max_pool3d), F.avg_pool3d),
}
_ADAPTIVE_POOLS = {
    F.adaptive_max_pool1d: F.adaptive_avg_pool1d,
    F.adaptive_max_pool2d: F.adaptive_avg_pool2d,
    F.adaptive_max_pool3d: F.adaptive_avg_pool3d,
}


class _Live(torch.autograd.Function):
    """A fresh positive number wherever there is something, on both ways; zero stays zero.

    What flows is thereby kept from growing or vanishing, and random numbers never cancel.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _refresh(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _refresh(gradient)


def _refresh(x: Tensor) -> Tensor:
    fresh = torch.rand(x.shape, dtype=x.dtype, device=x.device).add_(0.5)
    return fresh.masked_fill_((x == 0) | x.isnan(), 0)


def _live(x: Tensor) -> Tensor:
    found: Tensor = _Live.apply(x)  # type: ignore[no-untyped-call]
    return found


class _Paths(TorchFunctionMode):
    """Replaces every function by a positive one that depends on the same of its inputs."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _LAYERS:
            return _layer(func, *args, **kwargs)
        if func in _ACTIVATIONS:
            return args[0] if args else kwargs["input"]
        if func in _SPREADING:
            return _spread_over(*args, **kwargs)
        if func in _POOLS:
            return _pool(_POOLS[func], *args, **kwargs)
        if func in _ADAPTIVE_POOLS:
            return _ADAPTIVE_POOLS[func](*args[:2], **_only(kwargs, "input", "output_size"))
        if func is F.scaled_dot_product_attention:
            return scaled_dot_product_attention(_live, *args, **kwargs)
        if func is F.multi_head_attention_forward:
            return multi_head_attention(_live, *args, **kwargs)
        return func(*args, **kwargs)


def _layer(func: Any, input: Tensor, weight: Tensor, bias: Any = None, *how: Any, **kw: Any) -> Any:
    """A layer without its bias, which is on no path from the input."""
    return _live(func(_live(input), weight, None, *how, **kw))


def _spread_over(input: Tensor, dim: int | None = None, *_: Any, **__: Any) -> Tensor:
    return spread(input, -1 if dim is None else dim)


def _pool(
    average: Any,
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """The mean of a window, which depends on all of it; of its span, where it is dilated."""
    if dilation not in (1, (1,), (1, 1), (1, 1, 1), [1], [1, 1], [1, 1, 1]):
        raise NotImplementedError("paths through dilated max pooling")
    pooled: Tensor = average(input, kernel_size, stride or kernel_size, padding, ceil_mode)
    return pooled


def _only(kwargs: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if name in names}


def effective(network: nn.Module, mask: Mapping[str, Tensor], inputs: Inputs) -> dict[str, Tensor]:
    """Which weights of a mask lie on a path from the input to the output over kept weights.

    A path goes through everything by which an output depends on the input, whatever the values:
    activations and normalizations pass, max pooling passes all of its window, softmax relates all
    its entries. Learned constants that are no biases (tokens, position embeddings) count as
    inputs; biases do not. Found by one forward and one backward pass of a positive network whose
    values are refreshed at every layer, so depth cannot make them overflow or vanish.

    Args:
        network: any module; left as it was.
        mask: boolean by parameter name.
        inputs: a batch as for `zcproxy.score`; the shape of its first example matters, and
            its values where they are integers.

    Returns:
        Booleans by parameter name, True only where the mask is.

    Raises:
        InputError: the network cannot be computed on the inputs.
    """
    with gradients_enabled(), training_mode(network, False), undisturbed_randomness(0):
        return _effective(network, mask, inputs)


def _effective(network: nn.Module, mask: Mapping[str, Tensor], inputs: Inputs) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, p in network.named_parameters():
        tensors[name] = _positive(p.shape, p.device)
        if name in mask:
            tensors[name] = tensors[name].mul_(mask[name].to(p.device)).requires_grad_()
    for name, b in network.named_buffers():
        tensors[name] = b.double() if b.is_floating_point() else b.clone()
    given = {place: tensors[name] for place, name in places(network).items()}
    args, named = batch_leaves(inputs)
    with Linearizer(everything=True), _Paths():
        run = functools.partial(call_network, network, given)
        output = tensor_of(
            run(tuple(map(_example, args)), {k: _example(x) for k, x in named.items()})
        )
    leaves = [tensors[name] for name in mask]
    if not output.requires_grad:
        return {name: torch.zeros_like(bits) for name, bits in mask.items()}
    total = (_live(output) * _positive(output.shape, output.device)).sum()
    found = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
    return {name: (g != 0).cpu() & mask[name] for name, g in zip(mask, found, strict=True)}


def _positive(shape: torch.Size, device: torch.device) -> Tensor:
    return torch.rand(shape, dtype=torch.float64, device=device).add_(0.5)


def _example(x: Tensor) -> Tensor:
    first = x.detach()[:1]
    return _positive(first.shape, x.device) if x.is_floating_point() else first
