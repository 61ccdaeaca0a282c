"""Gradients image by image: from one backward pass where images do not touch, or one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from zcproxy.calls import call_loss, differentiate
from zcproxy.errors import InputError, MeasureError
from zcproxy.probe import Probe
from zcproxy.undisturbed import undisturbed_randomness

__all__ = ["ImageProbe", "Use", "first_entry_jacobian", "kernel_of_outputs", "sign_sums"]

AT_ONCE = 32
"""Images of a backward pass, copies among them; more were no faster on images of 32x32."""

_CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d)


def sign_sums(probe: Probe) -> dict[str, Tensor]:
    r"""For every weight the sum over images n of the sign of dl_n/dW, by name, shaped as W.

    l_n is the loss of image n as a batch of its own, so that batch norm in training mode
    normalizes every image by itself.

    Raises: MeasureError as `Probe.part` does; `nonfinite` for losses or gradients that are not
        finite.
    """
    images = probe.part(slice(None), ImageProbe)
    names = [weight.name for weight in images.weights]
    if not names:
        raise _without_layers()
    if images.known(names):
        return {name: _signs(g).sum(0) for name, g in images.image_gradients(names)}
    found: dict[str, Tensor] = {}
    for n in range(probe.batch_size):
        for name, g in probe.part(slice(n, n + 1), Probe).gradients.items():
            found[name] = found.get(name, 0) + _signs(g)
    return found


def _signs(gradient: Tensor) -> Tensor:
    """Signs of a gradient, in its place; what is not a number has none."""
    if gradient.numel() and not bool(torch.linalg.vector_norm(gradient, float("inf")).isfinite()):
        raise MeasureError("nonfinite", "a gradient of a single image is not finite")
    return gradient.sign_()


def kernel_of_outputs(probe: Probe, images: int) -> Tensor:
    r"""Gram matrix of the gradients of the first images' summed outputs, (n, n) float64.

    .. math:: K_{ij} = \sum_W \left< \frac{d s_i}{dW}, \frac{d s_j}{dW} \right>

    s_i is the sum of the outputs of image i, all computed as one batch of n images, whose
    statistics batch norm in training mode uses, and W runs over the weights. One backward pass
    per image.

    Raises: MeasureError as `Probe.part` does.
    """
    part = probe.part(slice(images), ImageBatch, labeled=False)
    return part.kernel()


def first_entry_jacobian(probe: Probe, images: int, most: int) -> tuple[Tensor, Tensor, int]:
    """d(output)/d(first entry of a parameter), image by image, in evaluation mode.

    Args:
        images: how many images of the batch to use, the first ones.
        most: how many parameters, the first ones that the backward pass reaches.

    Returns: the Jacobian (n, classes, parameters) float64, the outputs (n, classes) float64, and
        the number of all parameters that the backward pass reaches.

    Raises: MeasureError as `Probe.part` does; `not_applicable` for outputs that are not (n,
        classes).
    """
    part = probe.part(slice(images), ImageProbe, labeled=False, training=False)
    output = part.output
    if output.dim() != 2:
        shape = tuple(output.shape)
        raise MeasureError("not_applicable", f"the outputs are {shape}, not one row per image")
    reached = part.reached_parameters
    if not reached:
        raise MeasureError("not_applicable", "the output does not depend on any parameter")
    names = reached[:most]
    if part.known(names):
        copies = max(1, AT_ONCE // len(output))
        return part.first_entries(names, copies), output.detach().double(), len(reached)
    rows = []
    for n in range(len(output)):
        alone = probe.part(slice(n, n + 1), ImageBatch, labeled=False, training=False)
        rows.append(alone.first_entries(names))
    return torch.cat(rows), output.detach().double(), len(reached)


class ImageBatch(Probe):
    """A probe of a small batch, with one backward pass per output."""

    def kernel(self) -> Tensor:
        """See `kernel_of_outputs`."""
        output = self.output
        if not output.dim() or len(output) != self.batch_size:
            shape = tuple(output.shape)
            raise MeasureError("not_applicable", f"the outputs are {shape}, not one row per image")
        leaves = [self._parameters[weight.name] for weight in self.weights]
        if not leaves:
            raise _without_layers()
        rows = [self._derivatives(row.sum(), leaves) for row in output]
        kernel = torch.zeros(len(output), len(output), dtype=torch.float64, device=output.device)
        for gradients in zip(*rows, strict=True):
            matrix = torch.stack(gradients).flatten(1).double()
            kernel += matrix @ matrix.T
        return kernel

    def first_entries(self, names: Sequence[str]) -> Tensor:
        """Derivatives of the outputs by the first entry of parameters: (n, classes, parameters)."""
        leaves = [self._parameters[name] for name in names]
        rows = [
            torch.stack([g.flatten()[0] for g in self._derivatives(value, leaves)])
            for value in self.output.flatten()
        ]
        return torch.stack(rows).double().view(*self.output.shape, len(names))

    def _derivatives(self, value: Tensor, leaves: list[Tensor]) -> tuple[Tensor, ...]:
        if not (leaves and value.requires_grad):
            raise MeasureError("disconnected", "the output does not depend on any parameter")
        return differentiate(value, leaves, retain_graph=True, materialize_grads=True)


@dataclass(frozen=True)
class Use:
    """A convolution, linear layer or batch norm that a forward pass went through.

    Attributes:
        kind: `convolution`, `linear` or `norm`.
        weight, bias: names of its parameters; None where it has none.
        input: what went in, without its graph.
        version: of the input, to see whether it was overwritten since.
        values: the weight.
        source, output: where what went in and what came out lie in the graph; no source without
            a derivative.
        how: stride, padding, dilation and groups of a convolution; mean and variance of the first
            channel (None for those of every image) and epsilon of a norm.
    """

    kind: str
    weight: str | None
    bias: str | None
    input: Tensor
    version: int
    values: Tensor
    source: GradientEdge | None
    output: GradientEdge
    how: tuple[Any, ...] = ()

    def gradients(self, gy: Tensor) -> Tensor:
        """The weight's gradient for every image, (N, *shape), from that of the output."""
        if self.kind == "convolution":
            return self._of_convolution(gy)
        x = self.input.flatten(1, -2) if self.input.dim() > 2 else self.input[:, None]
        gy = gy.flatten(1, -2) if gy.dim() > 2 else gy[:, None]
        return gy.mT @ x

    def _of_convolution(self, gy: Tensor) -> Tensor:
        stride, padding, dilation, groups = self.how
        if groups == 1 and {*self.values.shape[2:], *stride} == {1} and not any(padding):
            return (gy.flatten(2) @ self.input.flatten(2).mT).view(-1, *self.values.shape)
        zeros, mask = [0] * len(stride), [False, True, False]
        found = torch.empty(len(gy), *self.values.shape, dtype=gy.dtype, device=gy.device)
        for n in range(len(gy)):
            found[n] = torch.ops.aten.convolution_backward(
                *(gy[n : n + 1], self.input[n : n + 1], self.values, None),
                *(stride, padding, dilation, False, zeros, groups, mask),
            )[1]
        return found

    def first_entries(self, gy: Tensor) -> dict[str, Tensor]:
        """The gradients' first entries for every image, (N,) float64, by parameter name."""
        first = gy.select(-1 if self.kind == "linear" else 1, 0).double()
        first = first.reshape(len(first), -1)
        found = {}
        if self.weight is not None:
            found[self.weight] = (first * self._first_input).sum(1)
        if self.bias is not None:
            found[self.bias] = first.sum(1)
        return found

    @cached_property
    def _first_input(self) -> Tensor:
        """What multiplies the weight's first entry, position by position: (N, ...) float64."""
        x = self.input.select(-1 if self.kind == "linear" else 1, 0)
        return self._shifted(x).double().reshape(len(x), -1)

    def _shifted(self, x: Tensor) -> Tensor:
        if self.kind == "norm":
            return _normalized(x, *self.how)
        if self.kind == "linear":
            return x
        stride, padding, dilation, _ = self.how
        x = F.pad(x, [p for size in reversed(padding) for p in (size, size)])
        for axis, step in enumerate(stride, 1):
            reach = dilation[axis - 1] * (self.values.shape[axis + 1] - 1)
            x = x[(slice(None),) * axis + (slice(0, x.shape[axis] - reach, step),)]
        return x


class ImageProbe(Probe):
    """A probe of images that are each a batch of its own, in one pass.

    Batch norm that uses statistics of the batch uses those of every image by itself.
    """

    @cached_property
    def separate(self) -> bool:
        """Whether no image has a part in another's output.

        The last image must have the same output without the rest, and so must the first unless the
        network is one of cells, which are built that way. False also for outputs that are not one
        row per image, and with dropout, which draws other numbers for an image alone.
        """
        output = self.output
        if not output.dim() or len(output) != self.batch_size or self._layers.mixed:
            return False
        return self._alone(len(output) - 1) and (self._of_cells or self._alone(0))

    def _alone(self, n: int) -> bool:
        """Whether an image has the same output without the others."""
        found = self.part(slice(n, n + 1), Probe, labeled=False).output.detach()
        row = self.output[n : n + 1].detach()
        tolerance = 1e4 * torch.finfo(row.dtype).eps * max(1e-30, float(row.abs().max()))
        return bool(torch.allclose(row, found, rtol=0, atol=tolerance, equal_nan=True))

    def known(self, names: Sequence[str]) -> bool:
        """Whether the gradients of parameters, image by image, follow from the layers seen."""
        if not self.separate:
            return False
        uses = self._layers.uses
        intact = all(use.input._version == use.version for use in uses)
        seen = [name for use in uses for name in (use.weight, use.bias)]
        edges = self._edges
        nodes = {name: get_gradient_edge(self._parameters[name]).node for name in names}
        wanted = [use for use in uses if not {use.weight, use.bias}.isdisjoint(names)]
        intact &= all(use.output.node in self._reached for use in wanted)
        return intact and all(edges.get(nodes[name], 0) == seen.count(name) for name in names)

    def image_gradients(self, names: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
        """Name and dl_n/dW for every image n, (N, *shape), of the weights that are reached."""
        total = self._sum_of_losses()
        gradients = self._by_use(total)
        for name in names:
            parts = [use.gradients(gy) for use, gy in gradients if use.weight == name]
            if parts:
                yield name, sum(parts[1:], parts[0])

    def first_entries(self, names: Sequence[str], copies: int = 1) -> Tensor:
        """Derivatives of the outputs by the first entry of parameters: (N, classes, parameters).

        One backward pass per class; or one per feature, where a linear layer makes more classes
        out of fewer features. With copies of the images, each takes another class or feature of the
        same pass, which is faster than passes of few images.
        """
        output, head = self.output, self._head
        if head is None or head.source is None:
            return self._first_entries(output.shape[1], names, copies)
        found = torch.einsum(
            "nfp,cf->ncp",
            self._first_entries(head.values.shape[1], names, copies),
            head.values.double(),
        )
        for name, values in head.first_entries(torch.ones_like(output)).items():
            if name in names:  # the first entries of the head belong to class 0
                found[:, 0, names.index(name)] += values
        return found

    def _first_entries(self, numbers: int, names: Sequence[str], copies: int) -> Tensor:
        """As `first_entries`, of so many numbers per image: the features, or else the outputs."""
        images, copies = self.batch_size, min(copies, numbers)
        many = self
        if copies > 1:
            again = torch.arange(images).repeat(copies)
            many = self.part(again, ImageProbe, labeled=False)
        head = many._head
        value = get_gradient_edge(many.output)
        if head is not None and head.source is not None:
            value = head.source
        places = {name: place for place, name in enumerate(names)}
        shape = (images, numbers, len(names))
        found = torch.zeros(shape, dtype=torch.float64, device=self.output.device)
        for first in range(0, numbers, copies):
            chosen = torch.arange(first, min(first + copies, numbers))
            rows = F.one_hot(chosen, numbers).to(self.output)
            rows = F.pad(rows, (0, 0, 0, copies - len(chosen)))
            for use, gy in many._by_use(value, rows.repeat_interleave(images, 0)):
                for name, values in use.first_entries(gy).items():
                    if name in places:
                        each = values.view(copies, images)[: len(chosen)]
                        found[:, chosen, places[name]] += each.T
        return found

    @property
    def _head(self) -> Use | None:
        """The linear layer that gives the output, where it has fewer features than classes."""
        end = get_gradient_edge(self.output)
        for use in self._layers.uses:
            same = use.output.node is end.node and use.output.output_nr == end.output_nr
            if same and use.kind == "linear" and use.input.dim() == 2:
                return use if use.values.shape[1] < use.values.shape[0] else None
        return None

    def _by_use(self, value: Any, row: Tensor | None = None) -> list[tuple[Use, Tensor]]:
        """Layers that a value depends on, with its gradients by what they gave out."""
        uses = self._layers.uses
        found = differentiate(
            value, [use.output for use in uses], grad_outputs=row, retain_graph=True
        )
        return [(use, gy) for use, gy in zip(uses, found, strict=True) if gy is not None]

    def _sum_of_losses(self) -> Tensor:
        """The sum of the images' losses, each as a batch of its own."""
        output, total = self.output, self.output.new_zeros(())
        with undisturbed_randomness(self.seed):
            for n in range(len(output)):
                total = total + call_loss(self._loss, output[n : n + 1], self._targets[n : n + 1])
        if not bool(torch.isfinite(total)):
            raise MeasureError("nonfinite", f"the loss of the untrained network is {total.item()}")
        if not total.requires_grad:
            raise MeasureError("disconnected", "the loss does not depend on any parameter")
        return total

    @property
    def _edges(self) -> Mapping[Any, int]:
        """How many edges of the output's graph lead into every node."""
        counts: dict[Any, int] = {}
        for node in self._reached:
            for after, _ in node.next_functions:
                counts[after] = counts.get(after, 0) + 1
        return counts

    @cached_property
    def _layers(self) -> _Layers:
        return _Layers({id(p): name for name, p in self._parameters.items()}, self.batch_size)

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        with super()._watching(), self._layers:
            yield


class _Layers(TorchFunctionMode):
    """Notes layers with parameters, and normalizes every image by itself.

    `mixed` tells that a layer's rows are not images, so that something else than images touches.
    """

    def __init__(self, names: Mapping[int, str], images: int) -> None:
        super().__init__()
        self._names = names
        self._images = images
        self.uses: list[Use] = []
        self.mixed = False

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _CONVOLUTIONS:
            return self._convolution(func, *args, **kwargs)
        if func is F.linear:
            return self._linear(*args, **kwargs)
        if func is F.batch_norm:
            return self._batch_norm(*args, **kwargs)
        return func(*args, **kwargs)

    def _convolution(
        self,
        func: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        output: Tensor = func(input, weight, bias, stride, padding, dilation, groups)
        if input.dim() == weight.dim() and not isinstance(padding, str):
            axes = weight.dim() - 2
            how = (*(_each(size, axes) for size in (stride, padding, dilation)), groups)
            self._note("convolution", input, weight, bias, output, how)
        return output

    def _linear(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        output = F.linear(input, weight, bias)
        self._note("linear", input, weight, bias, output)
        return output

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
        if training or running_mean is None or running_var is None:
            self.mixed |= len(input) != self._images
            output = _instance_norm(input, weight, bias, eps)
            how: tuple[Any, ...] = (None, None, eps)
        else:
            output = _affine(input, running_mean, running_var, weight, bias, eps)
            how = (running_mean[0].detach(), running_var[0].detach(), eps)
        self._note("norm", input, weight, bias, output, how)
        return output

    def _note(
        self,
        kind: str,
        input: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        output: Tensor,
        how: tuple[Any, ...] = (),
    ) -> None:
        names = [None if p is None else self._names.get(id(p)) for p in (weight, bias)]
        if output.requires_grad and any(names):
            self.mixed |= input.dim() < 2 or len(input) != self._images
            values = output.new_empty(0) if weight is None else weight.detach()
            x = input.detach()
            source = get_gradient_edge(input) if input.requires_grad else None
            edge = get_gradient_edge(output)
            self.uses.append(
                Use(kind, names[0], names[1], x, x._version, values, source, edge, how)
            )


def _without_layers() -> MeasureError:
    return MeasureError("not_applicable", "the network has no convolution or linear layer")


def _each(size: Any, axes: int) -> tuple[int, ...]:
    """A size of a convolution for every axis."""
    given = (size,) if isinstance(size, int) else tuple(size)
    return given * axes if len(given) == 1 else given


def _instance_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """Normalize x (N, C, ...) by every image's own mean and variance, then scale and shift.

    Means are products with a row, for PyTorch's `group_norm` is slow on processors where channels
    come last in memory.
    """
    if x[0, 0].numel() < 2:
        raise InputError(f"a batch norm of single values has no variance (inputs {tuple(x.shape)})")
    places = x.flatten(2).mT
    row = x.new_full((1, 1, places.shape[1]), 1 / places.shape[1]).expand(len(x), 1, -1)
    centred = places - row @ places
    scale = torch.rsqrt(row @ centred.square() + eps)
    centred = centred.mT.reshape(x.shape)
    shape = [1, -1] + [1] * (x.dim() - 2)
    scale = scale.view(len(x), *shape[1:])
    scale = scale if weight is None else scale * weight.view(shape)
    # the last step makes no view, whose place in the graph an in-place activation would move
    return centred * scale if bias is None else torch.addcmul(bias.view(shape), centred, scale)


def _affine(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    """Batch norm by running statistics; its backward pass is one product, not the kernel of all."""
    scale = torch.rsqrt(variance + eps)
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    shape = [1, -1] + [1] * (x.dim() - 2)
    return torch.addcmul(shift.view(shape), x, scale.view(shape))


def _normalized(x: Tensor, mean: Tensor | None, variance: Tensor | None, eps: float) -> Tensor:
    """A channel (N, ...) normalized, by statistics of its own images where none are given."""
    if mean is None or variance is None:
        flat = x.flatten(1)
        shape = (-1, *[1] * (x.dim() - 1))
        mean, variance = flat.mean(1).view(shape), flat.var(1, correction=0).view(shape)
    return (x - mean) * torch.rsqrt(variance + eps)
