"""Our twice-differentiable convolution and batch norm against PyTorch's own and gradcheck."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from zcproxy import second_order
from zcproxy.recorder import Recorder, _batch_norm, _convolution

CONVOLUTIONS = [
    # kernel, stride, padding, dilation, groups
    ((3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((3, 3), (2, 2), (1, 1), (1, 1), 1),
    ((2, 3), (2, 1), (0, 2), (1, 1), 1),
    ((3, 2), (1, 1), (2, 1), (2, 2), 1),
    ((3, 3), (1, 1), (1, 1), (1, 1), 2),
    ((1, 3), (2, 2), (1, 1), (1, 2), 4),
]
Quantities = list[Tensor]


def tensors(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made = (torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)
    return [t.requires_grad_() for t in made]


def derivatives(function: Callable[..., Tensor], leaves: list[Tensor], seed: int = 3) -> Quantities:
    """Value, gradients of a nonlinear loss, and the Hessian's product with a random direction."""
    value = function(*leaves)
    loss = (value.sin() * value).sum()
    first = torch.autograd.grad(loss, leaves, create_graph=True)
    directions = [d.detach() for d in tensors(*(tuple(x.shape) for x in leaves), seed=seed)]
    along = sum(((g * d).sum() for g, d in zip(first, directions, strict=True)), torch.zeros(()))
    second = torch.autograd.grad(along, leaves)
    return [value.detach(), *(g.detach() for g in first), *second]


def agree(one: Quantities, other: Quantities) -> bool:
    return all(torch.allclose(a, b, rtol=1e-9, atol=1e-10) for a, b in zip(one, other, strict=True))


def assert_equal_and_sensitive(one: Quantities, other: Quantities) -> None:
    assert agree(one, other)
    for i in range(len(other)):
        changed = [q * 1.01 if i == j else q for j, q in enumerate(other)]
        assert not agree(one, changed), f"a change of one percent in quantity {i} went unnoticed"


@pytest.mark.parametrize("how", CONVOLUTIONS)
def test_convolution_is_that_of_torch(how: tuple[tuple[int, ...], ...]) -> None:
    kernel, stride, padding, dilation, groups = how
    leaves = tensors((2, 4, 5, 6), (4, 4 // groups, *kernel))

    def ours(x: Tensor, w: Tensor) -> Tensor:
        return second_order.convolution(x, w, list(stride), list(padding), list(dilation), groups)

    def theirs(x: Tensor, w: Tensor) -> Tensor:
        return F.conv2d(x, w, None, stride, padding, dilation, groups)

    assert_equal_and_sensitive(derivatives(ours, leaves), derivatives(theirs, leaves))


@pytest.mark.parametrize("how", CONVOLUTIONS[2:6])
def test_convolution_passes_gradcheck_twice(how: tuple[tuple[int, ...], ...]) -> None:
    kernel, stride, padding, dilation, groups = how
    leaves = tensors((1, 2, 4, 4), (2, 2 // groups, *kernel))

    def ours(x: Tensor, w: Tensor) -> Tensor:
        return second_order.convolution(x, w, list(stride), list(padding), list(dilation), groups)

    assert torch.autograd.gradcheck(ours, leaves)
    assert torch.autograd.gradgradcheck(ours, leaves)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("padding", [1, "same", "valid", (0, 1)])
def test_every_way_to_call_a_convolution(bias: bool, padding: int | str | tuple[int, int]) -> None:
    leaves = tensors((2, 2, 4, 5), (3, 2, 3, 3), *([(3,)] if bias else []))

    def ours(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        return _convolution(x, w, b, padding=padding)

    def theirs(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        return F.conv2d(x, w, b, padding=padding)

    assert_equal_and_sensitive(derivatives(ours, leaves), derivatives(theirs, leaves))


def test_an_image_without_a_batch_axis() -> None:
    leaves = tensors((2, 4, 5), (3, 2, 3, 3))
    assert agree(derivatives(_convolution, leaves), derivatives(F.conv2d, leaves))


@pytest.mark.parametrize("depth", [1, 2])
def test_the_hessian_times_the_weights_themselves(depth: int) -> None:
    """The shortcut for the direction W: by the weight tensors, and by equal copies of them."""
    x, *weights = tensors((2, 2, 4, 4), *[(2, 2, 3, 3)] * depth)

    def product(convolve: Callable[..., Tensor], directions: list[Tensor]) -> list[Tensor]:
        y = x
        for w in weights:
            y = convolve(y, w).sin()
        loss = y.square().sum()
        grads = torch.autograd.grad(loss, weights, create_graph=True)
        return list(torch.autograd.grad(grads, [x, *weights], directions))

    def ours(y: Tensor, w: Tensor) -> Tensor:
        return second_order.convolution(y, w, [1, 1], [1, 1], [1, 1], 1)

    def theirs(y: Tensor, w: Tensor) -> Tensor:
        return F.conv2d(y, w, padding=1)

    themselves = [w.detach() for w in weights]
    copies = [w.detach().clone() for w in weights]
    expected = product(theirs, copies)
    assert_equal_and_sensitive(product(ours, themselves), expected)
    assert_equal_and_sensitive(product(ours, copies), expected)


def test_only_some_gradients_wanted() -> None:
    x, w = tensors((2, 2, 4, 4), (2, 2, 3, 3))
    for leaves in ([x], [w]):
        other = w.detach() if leaves[0] is x else x.detach()

        def ours(leaf: Tensor, leaves: list[Tensor] = leaves, other: Tensor = other) -> Tensor:
            pair = (leaf, other) if leaves[0] is x else (other, leaf)
            return second_order.convolution(*pair, [1, 1], [1, 1], [1, 1], 1)

        def theirs(leaf: Tensor, leaves: list[Tensor] = leaves, other: Tensor = other) -> Tensor:
            pair = (leaf, other) if leaves[0] is x else (other, leaf)
            return F.conv2d(*pair, padding=1)

        assert_equal_and_sensitive(derivatives(ours, leaves), derivatives(theirs, leaves))


def test_without_weight_gradients_only_weights_go_without() -> None:
    x, w = tensors((2, 2, 4, 4), (2, 2, 3, 3))
    y = second_order.convolution(x, w, [1, 1], [1, 1], [1, 1], 1).sin().sum()
    expected, _ = torch.autograd.grad(y, [x, w], retain_graph=True)
    with second_order.without_weight_gradients():
        found, none = torch.autograd.grad(y, [x, w], retain_graph=True, allow_unused=True)
    assert torch.equal(found, expected)
    assert none is None
    assert torch.autograd.grad(y, [w])[0].abs().sum() > 0
    with pytest.raises(KeyError), second_order.without_weight_gradients():
        raise KeyError
    assert second_order._weights_wanted


SHAPES = [(4, 3, 2, 3), (6, 3), (3, 2, 4)]
AFFINE = ["none", "ones", "random", "scale only"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("affine", AFFINE)
def test_batch_norm_is_that_of_torch(shape: tuple[int, ...], affine: str) -> None:
    x, scale, shift = tensors(shape, (shape[1],), (shape[1],))
    if affine == "ones":
        scale = torch.ones_like(scale).requires_grad_()
    leaves = {"none": [x], "scale only": [x, scale]}.get(affine, [x, scale, shift])

    def ours(x: Tensor, w: Tensor | None = None, b: Tensor | None = None) -> Tensor:
        return second_order.batch_norm(x, w, b, 1e-3)

    def theirs(x: Tensor, w: Tensor | None = None, b: Tensor | None = None) -> Tensor:
        mean = x.mean([0, *range(2, x.dim())], keepdim=True)
        variance = (x - mean).square().mean([0, *range(2, x.dim())], keepdim=True)
        y = (x - mean) / (variance + 1e-3).sqrt()
        per_channel = [1, -1] + [1] * (x.dim() - 2)
        y = y if w is None else y * w.view(per_channel)
        return y if b is None else y + b.view(per_channel)

    assert_equal_and_sensitive(derivatives(ours, leaves), derivatives(theirs, leaves))
    native = derivatives(
        lambda *a: F.batch_norm(a[0], None, None, *a[1:], training=True, eps=1e-3), leaves
    )
    assert agree(derivatives(ours, leaves), native)


@pytest.mark.parametrize("shape", SHAPES[:2])
def test_batch_norm_passes_gradcheck_twice(shape: tuple[int, ...]) -> None:
    leaves = tensors(shape, (shape[1],), (shape[1],))

    def ours(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return second_order.batch_norm(x, w, b, 1e-2)

    assert torch.autograd.gradcheck(ours, leaves)
    assert torch.autograd.gradgradcheck(ours, leaves)


def test_each_second_derivative_of_batch_norm_alone() -> None:
    """Only one of the three first gradients is differentiated at a time."""
    leaves = tensors((4, 3, 2, 2), (3,), (3,))

    def products(normalize: Callable[..., Tensor], which: int) -> list[Tensor]:
        loss = normalize(*leaves).sin().sum()
        first = torch.autograd.grad(loss, leaves, create_graph=True)[which]
        return list(
            torch.autograd.grad(
                first.square().sum(), leaves, materialize_grads=True, allow_unused=True
            )
        )

    def ours(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return second_order.batch_norm(x, w, b, 1e-5)

    def theirs(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, w, b, training=True, eps=1e-5)

    for which in range(3):
        assert_equal_and_sensitive(products(ours, which), products(theirs, which))


def test_batch_norm_in_evaluation_mode_uses_its_statistics() -> None:
    x, mean, variance = (t.detach() for t in tensors((4, 3, 2, 2), (3,), (3,)))
    variance = variance.square() + 1
    ours = _batch_norm(x, mean, variance, training=False)
    assert torch.equal(ours, F.batch_norm(x, mean, variance, training=False))


def test_batch_norm_of_one_value_per_channel_is_refused_as_by_torch() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        _batch_norm(torch.randn(1, 3), None, None, training=True)


def test_a_whole_network_in_float32_has_torchs_hessian_products() -> None:
    x, first, second, scale, shift = (
        t.detach().float().requires_grad_()
        for t in tensors((3, 2, 5, 5), (4, 2, 3, 3), (2, 4, 1, 1), (4,), (4,))
    )
    leaves = [first, second, scale, shift]

    def product(convolve: Callable[..., Tensor], normalize: Callable[..., Tensor]) -> list[Tensor]:
        y = normalize(convolve(x, first, [1, 1]), scale, shift).relu()
        loss = convolve(y, second, [0, 0]).square().mean()
        grads = torch.autograd.grad(loss, leaves, create_graph=True)
        return list(torch.autograd.grad(grads, leaves, [w.detach() for w in leaves]))

    ours = product(
        lambda y, w, p: second_order.convolution(y, w, [1, 1], p, [1, 1], 1),
        lambda y, w, b: second_order.batch_norm(y, w, b, 1e-5),
    )
    theirs = product(
        lambda y, w, p: F.conv2d(y, w, padding=p),
        lambda y, w, b: F.batch_norm(y, None, None, w, b, training=True),
    )
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


POOLINGS = [
    # kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
    (3, 1, 1, False, False, None),
    (3, 1, 1, False, True, None),
    ((3, 5), 1, (1, 2), False, False, None),
    (3, 1, 1, False, True, 4),
    (3, 1, 1, True, False, None),
    (2, 2, 0, False, True, None),
    (2, None, 0, False, True, None),
    (3, 2, 1, False, False, None),
]


@pytest.mark.parametrize("how", POOLINGS)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("twice", [False, True])
def test_average_pooling_is_pytorchs(
    how: tuple[Any, ...], layout: torch.memory_format, twice: bool
) -> None:
    (x,) = tensors((2, 3, 6, 7))
    leaves = [x.detach().contiguous(memory_format=layout).requires_grad_()]
    recorder = Recorder({}, activations=False, patterns=False, twice=twice)

    def ours(x: Tensor) -> Tensor:
        with recorder:
            return F.avg_pool2d(x, *how)

    assert_equal_and_sensitive(
        derivatives(ours, leaves), derivatives(lambda x: F.avg_pool2d(x, *how), leaves)
    )


def test_pooling_that_keeps_the_size_is_a_convolution_and_counts_what_it_adds() -> None:
    x = torch.rand(2, 3, 6, 6).contiguous(memory_format=torch.channels_last)
    recorder = Recorder({}, activations=False, patterns=False, twice=False)
    with recorder:
        F.avg_pool2d(x, 2)
        assert recorder.pooling == 0
        F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    assert recorder.pooling == 2 * 3 * 6 * 6 * 9


def test_relu_is_pytorchs() -> None:
    leaves = tensors((2, 3, 4))
    assert_equal_and_sensitive(
        derivatives(second_order.relu, leaves), derivatives(torch.relu, leaves)
    )


def test_second_derivatives_keep_channels_last() -> None:
    x = torch.rand(2, 3, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    how = second_order.Pooling((3, 3), (1, 1), (1, 1), padded=False)
    for function in (second_order.relu, lambda x: second_order.average_pool(x, how)):
        (g,) = torch.autograd.grad(function(x).square().sum(), x, create_graph=True)
        (h,) = torch.autograd.grad((g * x.detach()).sum(), x)
        assert h.is_contiguous(memory_format=torch.channels_last)
