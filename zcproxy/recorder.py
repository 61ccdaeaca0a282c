"""See what a network computes while it computes, whether in modules or in functions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from zcproxy import second_order
from zcproxy.errors import MeasureError
from zcproxy.patterns import packed, packing

__all__ = ["Linearizer", "Recorder", "Signs", "agreements"]

_LINEAR = (F.linear,)
_CONVOLUTIONS = (
    *(torch.conv1d, torch.conv2d, torch.conv3d),
    *(torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d),
)

_WEIGHTED = (*_LINEAR, *_CONVOLUTIONS)
"""Functions of layers, whose second argument is the weight."""


def _kinks_of_clamp(*args: Any, min: Any = None, max: Any = None, **_: Any) -> tuple[float, ...]:
    low = args[1] if len(args) > 1 and min is None else min
    high = args[2] if len(args) > 2 and max is None else max
    return tuple(float(b) for b in (low, high) if isinstance(b, int | float))


def _kinks_of_hardtanh(
    *args: Any, min_val: float = -1.0, max_val: float = 1.0, **_: Any
) -> tuple[float, ...]:
    low = args[1] if len(args) > 1 else min_val
    high = args[2] if len(args) > 2 else max_val
    return (float(low), float(high))


def _kinks_of_threshold(*args: Any, threshold: float = 0.0, **_: Any) -> tuple[float, ...]:
    return (float(args[1] if len(args) > 1 else threshold),)


_Kinks = Callable[..., tuple[float, ...]]


def _constant(*kinks: float) -> _Kinks:
    return lambda *_, **__: kinks


_RELU = frozenset((F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_))

_PIECEWISE: dict[Any, _Kinks] = {
    **dict.fromkeys(_RELU, _constant(0.0)),
    **dict.fromkeys((F.leaky_relu, F.leaky_relu_, F.rrelu, F.rrelu_), _constant(0.0)),
    **dict.fromkeys((F.prelu, torch.prelu, Tensor.prelu), _constant(0.0)),
    F.relu6: _constant(0.0, 6.0),
    F.hardswish: _constant(-3.0, 3.0),
    F.hardsigmoid: _constant(-3.0, 3.0),
    F.hardtanh: _kinks_of_hardtanh,
    F.hardtanh_: _kinks_of_hardtanh,
    F.threshold: _kinks_of_threshold,
    **dict.fromkeys((torch.clamp, torch.clamp_, Tensor.clamp, Tensor.clamp_), _kinks_of_clamp),
    **dict.fromkeys((torch.clamp_min, Tensor.clamp_min, Tensor.clamp_min_), _kinks_of_clamp),
}
"""Piecewise activation functions and where their slope jumps."""


class Activation:
    """What a convolution or linear layer gave out, and later its Fisher information.

    `values` is replaced by a copy when an in-place operation is about to overwrite it.
    """

    def __init__(self, weight: str, values: Tensor, channel: int) -> None:
        self.weight = weight
        self.values = values.detach()
        self.channel = channel % values.dim()
        self.version = self.values._version

    @property
    def overwritten(self) -> bool:
        """Whether something changed the values that was not seen coming."""
        return self.values._version != self.version


class FisherInformation:
    """Fisher information per output channel, by weight, collected while a backward pass runs.

    An object of its own: hooks hold it, and must not hold the graph that holds the hooks.
    `obstacle` says why there is none, if a layer's outputs are lost or are not one row per image;
    `images` is the size of the batch, or None where rows count as images whatever they are.
    """

    def __init__(self, images: int | None) -> None:
        self.images = images
        self.listening = False
        self.obstacle = ""
        self.channels: dict[str, Tensor] = {}

    def add(self, activation: Activation, gradient: Tensor) -> None:
        """Add 1/2 mean_n (sum over positions of activation * gradient)^2 for every channel."""
        if not self.listening:
            return
        self.obstacle = self.obstacle or self._obstacle(activation)
        if self.obstacle:
            return
        product = activation.values * gradient.detach()
        others = [d for d in range(1, product.dim()) if d != activation.channel]
        per_image = product.sum(others) if others else product
        value = per_image.square().mean(0).mul(0.5)
        before = self.channels.get(activation.weight)
        self.channels[activation.weight] = value if before is None else before + value

    def _obstacle(self, activation: Activation) -> str:
        layer, values = f"the layer of {activation.weight}", activation.values
        if activation.overwritten:
            return (
                f"the output of {layer} is overwritten through a view, so its activations are "
                "lost; use an out-of-place operation there"
            )
        if values.dim() < 2 or self.images not in (None, len(values)):
            shape = tuple(values.shape)
            return f"{layer} gives out {shape}, which is not one row for each of the images"
        return ""


class Recorder(TorchFunctionMode):
    """Follows one forward pass through every function of torch.

    Args:
        weights: names of the weights to follow, by the identity of the tensor.
        activations: note what layers give out, and on the way back their Fisher information.
        patterns: note in how many units of piecewise activations images are on together.
        codes: note for which images every unit is on.
        images: how many rows Fisher information needs of every layer; None for any number.
        twice: use convolutions and batch norm that are cheap to differentiate twice.

    `patterns` holds, for every kink of a piecewise activation, its node of the graph, the Gram
    matrix of its pattern and the number of its units; `codes` its node, the number of its images
    and its packed patterns (see `zcproxy.patterns`); `packing` the multiply-adds of packing, and
    `pooling` those of convolutions that stand for average pooling.
    """

    def __init__(
        self,
        weights: Mapping[int, str],
        *,
        activations: bool,
        patterns: bool,
        twice: bool,
        codes: bool = False,
        images: int | None = None,
    ) -> None:
        super().__init__()
        self._weights = weights
        self._activations = activations
        self._patterns = patterns
        self._codes = codes
        self._twice = twice
        self._alive: dict[int, Activation] = {}
        self.fisher = FisherInformation(images)
        self.patterns: list[tuple[Any, Tensor, int]] = []
        self.codes: list[tuple[Any, int, Tensor]] = []
        self.pooling = 0
        self.packing = 0

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if self._activations and self._alive and args and isinstance(args[0], Tensor):
            self._save_from_overwriting(func, args, kwargs)
        if (self._patterns or self._codes) and func in _PIECEWISE:
            return self._switch(func, args, kwargs)
        result = self._call(func, args, kwargs)
        if self._activations and func in _WEIGHTED:
            self._note(func, args, kwargs, result)
        return result

    def _call(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._twice:
            if func is torch.conv2d:
                return _convolution(*args, **kwargs)
            if func is F.batch_norm:
                return _batch_norm(*args, **kwargs)
            if func in (F.relu, torch.relu, Tensor.relu):
                return _relu(*args, **kwargs)
        if func is F.avg_pool2d:
            return self._average_pool(*args, **kwargs)
        return func(*args, **kwargs)

    def _average_pool(
        self,
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Tensor:
        kernel = _pair(kernel_size)
        how = second_order.Pooling(
            kernel,
            kernel if stride is None or stride == [] else _pair(stride),
            _pair(padding),
            ceil_mode,
            count_include_pad,
            divisor_override,
        )
        if input.dim() != 4 or not (self._twice or how.is_box(input)):
            return F.avg_pool2d(
                input,
                kernel,
                how.stride,
                how.padding,
                ceil_mode,
                count_include_pad,
                divisor_override,
            )
        result = second_order.average_pool(input, how)
        if how.is_box(input):
            self.pooling += result.numel() * kernel[0] * kernel[1]
        return result

    def _note(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Tensor
    ) -> None:
        weight = args[1] if len(args) > 1 else kwargs["weight"]
        name = self._weights.get(id(weight))
        if name is None or not result.requires_grad:
            return
        channel = -1 if func in _LINEAR else -(weight.dim() - 1)
        activation = Activation(name, result, channel)
        self._alive[id(result)] = activation
        hook = functools.partial(self.fisher.add, activation)
        result.register_hook(hook)  # type: ignore[no-untyped-call]

    def _save_from_overwriting(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        activation = self._alive.get(id(args[0]))
        if activation is not None and _in_place(func, args, kwargs):
            activation.values = activation.values.clone()
            activation.version = activation.values._version
            del self._alive[id(args[0])]

    def _switch(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a piecewise activation; keep its on/off patterns as Gram matrices or bits."""
        x = args[0] if args else kwargs["input"]
        found: list[tuple[Tensor | None, Tensor | None]] = []
        if func in _RELU:
            result = self._call(func, args, kwargs)
            found.append(self._seen(torch.sign(result.detach())))  # one pass over memory, not two
        else:
            kinks = _PIECEWISE[func](*args, **kwargs)
            for kink in kinks:
                found.append(self._seen(torch.gt(x.detach(), kink).to(torch.float32)))
            result = self._call(func, args, kwargs)
        for gram, code in found:
            if gram is not None:
                self.patterns.append((result.grad_fn, gram, x.numel() // gram[..., 0].numel()))
            if code is not None:
                self.codes.append((result.grad_fn, len(x) if x.dim() else 1, code))
        return result

    def _seen(self, on: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """What is to be kept of the states of units: their Gram matrix, their bits."""
        gram = self._gram(on) if self._patterns else None
        if not self._codes:
            return gram, None
        units = _rows(on)
        self.packing += packing(*units.shape)
        return gram, packed(units)

    def _gram(self, on: Tensor) -> Tensor:
        """For images i and j, in how many units both are on (1, else 0); (N, N), exact integers."""
        units = _rows(on).float()
        return (units @ units.T).double()


def _rows(on: Tensor) -> Tensor:
    """One row of units for every image."""
    if on.dim() == 4 and on.is_contiguous(memory_format=torch.channels_last):
        on = on.permute(0, 2, 3, 1)  # the order of units does not matter, a copy would
    return on.reshape(len(on) if on.dim() else 1, -1)


class Linearizer(TorchFunctionMode):
    """Turns normalizations into identities, for SynFlow.

    Args:
        everything: batch, layer, group, instance and RMS norm and dropout; otherwise batch norm.
    """

    def __init__(self, everything: bool) -> None:
        super().__init__()
        norms = {F.batch_norm, torch.batch_norm}
        if everything:
            norms |= {F.layer_norm, F.group_norm, F.instance_norm, F.rms_norm, torch.layer_norm}
            norms |= {F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout}
            norms |= {F.feature_alpha_dropout, torch.dropout}
        self._identities = norms

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in self._identities:
            return args[0] if args else kwargs["input"]
        return func(*args, **kwargs)


class Signs(TorchFunctionMode):
    """Counts equal signs of all pairs of rows that a layer gives out.

    Args:
        weights: names of the weights of layers, by the identity of the tensor.
    """

    def __init__(self, weights: Mapping[int, str]) -> None:
        super().__init__()
        self._weights = weights
        self.kernels: dict[str, Tensor] = {}

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func in _WEIGHTED:
            weight = args[1] if len(args) > 1 else kwargs["weight"]
            name = self._weights.get(id(weight))
            if name is not None:
                self._add(name, result)
        return result

    def _add(self, name: str, given_out: Tensor) -> None:
        rows = len(given_out) if given_out.dim() else 1
        positive = torch.gt(given_out.detach(), 0).reshape(rows, -1).float()
        equal = agreements((positive @ positive.T).double(), positive.shape[1])
        before = self.kernels.get(name)
        if before is not None and before.shape != equal.shape:
            raise MeasureError(
                "not_applicable", f"the layer of {name} has {len(before)} rows once, then {rows}"
            )
        self.kernels[name] = equal if before is None else before + equal


def agreements(together: Tensor, units: int) -> Tensor:
    """In how many units images are equally on or off, from in how many they are on together.

    (N, N) from (N, N): x x' + (1 - x) (1 - x)' for rows x of zeros and ones, from x x'.
    """
    each = together.diagonal()
    return 2 * together - each[:, None] - each[None, :] + units


def _convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    if isinstance(padding, str) or input.dim() != 4:
        return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
    y = second_order.convolution(
        input, weight, _pair(stride), _pair(padding), _pair(dilation), groups
    )
    return y if bias is None else y + bias[:, None, None]


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if not training or input.numel() == input.shape[1]:
        return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    return second_order.batch_norm(input, weight, bias, eps)


def _relu(input: Tensor, inplace: bool = False) -> Tensor:
    return torch.relu_(input) if inplace else second_order.relu(input)


def _pair(value: Any) -> tuple[int, int]:
    first, *rest = [value] if isinstance(value, int) else value
    return (first, rest[0] if rest else first)


def _in_place(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call overwrites its first argument."""
    name = getattr(func, "__name__", "")
    if name.startswith("__i") or name == "__setitem__":
        return True
    if name.endswith("_") and not name.endswith("__"):
        return True
    place = _place_of_inplace(func)
    positional = args[place] if place is not None and place < len(args) else False
    return bool(kwargs.get("inplace", positional))


@functools.cache
def _place_of_inplace(func: Any) -> int | None:
    """The position of a function's argument `inplace`, if it has one that may be positional."""
    try:
        names = list(inspect.signature(func).parameters)
    except (TypeError, ValueError):
        return None
    return names.index("inplace") if "inplace" in names else None
