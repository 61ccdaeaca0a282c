"""What layers give out, and the last map before pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zcproxy.feature_maps import LayerMaps, PooledMap
from zcproxy.graph import reached


def images() -> Tensor:
    return torch.randn(3, 2, 6, 6, generator=torch.Generator().manual_seed(0))


def test_every_layer_is_seen_once() -> None:
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.GroupNorm(2, 4),
        nn.SiLU(),
        nn.ConvTranspose2d(4, 3, 2),
        nn.LeakyReLU(),
        nn.AvgPool2d(2),
        nn.AdaptiveAvgPool2d(1),
    ]
    network = nn.Sequential(*layers, nn.Identity(), nn.Flatten(), nn.Dropout(0.0), nn.Linear(3, 2))
    expected = [images()]
    for layer in layers:
        expected.append(layer(expected[-1]))
    seen: list[Tensor] = []
    with LayerMaps(lambda values, _: seen.append(values.clone())):
        network(images())
    *maps, row = seen
    assert row.shape == (3, 2)  # of the head
    assert len(maps) == len(layers)
    for found, values in zip(maps, expected[1:], strict=True):
        torch.testing.assert_close(found, values.detach())
        assert not found.requires_grad


def test_functions_are_layers_and_sums_are_none() -> None:
    seen: list[Tensor] = []
    weight = torch.randn(4, 2, 3, 3)
    with LayerMaps(lambda values, _: seen.append(values)):
        x = torch.conv2d(images(), weight)
        y = (x + x.flip(0)).relu_()
        F.avg_pool2d(torch.tanh(y), 2).mean()
    assert [tuple(s.shape) for s in seen] == [(3, 4, 4, 4)] * 3 + [(3, 4, 2, 2)]


def test_channels_are_axis_1_wherever_they_lie() -> None:
    """A convolution, tokens, maps with channels last, a norm over several axes, a convolution."""
    seen: list[Tensor] = []
    with LayerMaps(lambda values, _: seen.append(values)):
        x = torch.relu(torch.conv2d(images(), torch.randn(5, 2, 1, 1)))
        tokens = F.gelu(F.linear(x.flatten(2).mT, torch.randn(7, 5)))
        y = F.rms_norm(F.layer_norm(x.permute(0, 2, 3, 1), (5,)), normalized_shape=(5,)).tanh()
        F.layer_norm(y.permute(0, 3, 1, 2), (5, 6, 6))
        z = torch.conv2d(x, torch.randn(4, 5, 3, 3))
        gate = torch.sigmoid(F.linear(z.mean((2, 3)), torch.randn(4, 4)))  # rows change nothing
        last = torch.relu(F.layer_norm(z * gate[:, :, None, None], (4, 4, 4)))
    expected = [(3, 5, 6, 6)] * 2 + [(3, 7, 36)] * 2 + [(3, 5, 6, 6)] * 3
    shapes = [tuple(s.shape) for s in seen]
    assert shapes[:7] == expected
    assert shapes[8:] == [(3, 4, 4, 4), (3, 4), (3, 4), (3, 4, 4, 4), (3, 4, 4, 4)]
    assert torch.equal(seen[3], tokens.transpose(1, 2))
    assert torch.equal(seen[6], y.permute(0, 3, 1, 2))
    assert torch.equal(seen[-1], last)


def test_nodes_tell_what_reaches_the_output() -> None:
    seen: list[Any] = []
    x = images().requires_grad_()
    with LayerMaps(lambda _, node: seen.append(node)):
        y = torch.conv2d(x, torch.randn(4, 2, 3, 3))
        torch.relu(y)
        z = torch.tanh(y).relu_()
    assert [node in reached(z.grad_fn) for node in seen] == [True, False, True, True]
    assert reached(None) == set()


POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda x: x.mean((2, 3)),
    "torch.mean": lambda x: torch.mean(x, dim=(2, 3)),
    "mean keepdim": lambda x: x.mean((2, 3), keepdim=True).flatten(1),
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1),
    "adaptive max": lambda x: F.adaptive_max_pool2d(x, 1).flatten(1),
    "module": lambda x: nn.AdaptiveAvgPool2d(1)(x)[:, :, 0, 0],
    "whole": lambda x: F.avg_pool2d(x, 6).view(3, -1),
    "flatten": lambda x: x.flatten(1),
    "view": lambda x: x.view(3, -1),
    "reshape": lambda x: x.reshape(3, -1),
    "in two steps": lambda x: x.flatten(2).mean(2),
    "amax": lambda x: x.amax((2, 3)),
    "one axis after the other": lambda x: x.mean(3).mean(2),
    "features as positions": lambda x: x.view(3, -1, 1, 1),
    "tokens": lambda x: x.flatten(2).transpose(1, 2).mean(1).view(3, 2),
}


@pytest.mark.parametrize("name", POOLINGS)
def test_every_way_to_pool_is_seen(name: str) -> None:
    with PooledMap() as watching:
        x = images() * 2
        y = torch.sigmoid(x * F.adaptive_avg_pool2d(x, 1))  # squeeze and excite: not the last
        POOLINGS[name](y).relu()
    assert watching.last() is not None
    assert torch.equal(watching.last(), y)  # type: ignore[arg-type]


REARRANGEMENTS: dict[str, Callable[[Tensor], Tensor]] = {
    "flatten(2)": lambda x: x.flatten(2),
    "reshape": lambda x: x.reshape(3, 2, -1),
    "tokens": lambda x: x.flatten(2).transpose(1, 2),
    "heads": lambda x: x.transpose(1, 2).reshape(3, 6, -1),
    "channels last": lambda x: x.permute(0, 2, 3, 1).contiguous(),
    "tokens, activated": lambda x: x.flatten(2).mT.relu(),
}


@pytest.mark.parametrize("name", REARRANGEMENTS)
def test_what_keeps_all_positions_is_no_pooling(name: str) -> None:
    with PooledMap() as watching:
        REARRANGEMENTS[name](images() * 2)
    assert watching.last() is None


@pytest.mark.parametrize("name", ["tokens", "channels last"])
def test_a_rearranged_map_that_is_pooled_is_the_map(name: str) -> None:
    with PooledMap() as watching:
        x = images() * 2
        y = REARRANGEMENTS[name](x)
        y.mean(tuple(range(1, y.dim() - 1)))
    found = watching.last()
    assert found is not None
    assert torch.equal(found.flatten().sort().values, x.flatten().sort().values)


LAYERS: dict[str, tuple[Callable[[Tensor], Any], bool]] = {
    "linear over tokens": (lambda x: F.linear(x.flatten(2).mT, torch.ones(5, 2)), True),
    "convolution": (lambda x: torch.conv2d(x, torch.ones(5, 2, 3, 3)), True),
    "attention": (lambda x: nn.MultiheadAttention(2, 1)(*[x.flatten(2).mT] * 3), True),
    "recurrent": (lambda x: nn.LSTM(2, 3, batch_first=True)(x.flatten(2).mT), True),
    "convolution to one position": (lambda x: torch.conv2d(x, torch.ones(5, 2, 6, 6)), False),
    "linear over rows": (lambda x: F.linear(x[:, :, 0, 0], torch.ones(5, 2)), False),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_map_before_layers_on_positions_is_not_the_last(name: str) -> None:
    layer, on_positions = LAYERS[name]
    with PooledMap() as watching:
        x = images() * 2
        x.mean((2, 3))
        layer(x)
    assert (watching.last() is None) == on_positions


def test_only_what_is_reached_counts() -> None:
    x = images().requires_grad_()
    norm = nn.BatchNorm2d(2)
    with PooledMap() as watching:
        y = norm(x * 2)
        out = y.mean((2, 3))
        z = norm(x * 3)  # from here on nothing is used
        z.mean((2, 3))
        torch.conv2d(z, torch.ones(1, 2, 3, 3))
    assert watching.last() is None
    nodes = reached(out.grad_fn)
    found = watching.last(nodes)
    assert found is not None
    assert torch.equal(found, y)
    assert not found.requires_grad
    assert len(watching.variances()) == 2
    (variance,) = watching.variances(nodes)
    assert torch.equal(variance, watching.variances()[0])


def test_a_convolution_to_one_position_and_what_is_new_are_no_pooling() -> None:
    with PooledMap() as watching:
        x = images() * 2
        x.new_zeros(len(x), 5)
        torch.conv2d(x, torch.randn(4, 2, 6, 6)).flatten(1)
    assert watching.last() is None


def test_without_a_map_there_is_none() -> None:
    with PooledMap() as watching:
        nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU())(torch.randn(5, 4)).sum()
    assert watching.last() is None
    assert len(watching.variances()) == 1


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_is_as_ever_and_its_variances_are_seen(training: bool, affine: bool) -> None:
    norm = nn.BatchNorm2d(2, affine=affine, momentum=0.3).train(training)
    other = nn.BatchNorm2d(2, affine=affine, momentum=0.3).train(training)
    assert norm.running_var is not None
    assert other.running_var is not None
    for each in (norm, other):
        each.running_var.copy_(torch.tensor([2.0, 3.0]))  # type: ignore[union-attr]
    x = images() * 3 + 1
    expected = norm(x)
    with PooledMap() as watching:
        found = other(x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(other.running_var, norm.running_var)
    (variance,) = watching.variances()
    batch = x.double().var((0, 2, 3), correction=0)
    wanted = batch if training else torch.tensor([2.0, 3.0]).double()
    torch.testing.assert_close(variance.double(), wanted, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("there", "back"),
    [
        (lambda x: x.permute(0, 2, 3, 1), lambda x: x.permute(0, 3, 1, 2)),
        (lambda x: torch.movedim(x, 1, -1), lambda x: x.movedim(source=-1, destination=1)),
        (lambda x: x.flatten(2).transpose(1, 2), lambda x: x.transpose(1, 2).unflatten(2, (6, 6))),
    ],
)
def test_channels_are_followed_through_permutations(
    there: Callable[[Tensor], Tensor], back: Callable[[Tensor], Tensor]
) -> None:
    seen: list[Tensor] = []
    with LayerMaps(lambda values, _: seen.append(values)):
        x = torch.conv2d(images(), torch.randn(5, 2, 1, 1))
        y = F.gelu(back(F.silu(F.layer_norm(there(x), (5,)))))
        F.silu(there(y))
    assert [s.shape[1] for s in seen] == [5] * 5
    assert torch.equal(seen[3], y)
    assert torch.equal(seen[4].flatten(2), F.silu(y).flatten(2))


def test_activations_by_other_names_are_layers() -> None:
    seen: list[Tensor] = []
    x = images()
    with LayerMaps(lambda values, _: seen.append(values)):
        expected = [x.clamp(min=0), torch.clamp_min(x, 0), F.softsign(x), F.logsigmoid(x)]
        expected += [F.hardshrink(x), F.softshrink(x), F.tanhshrink(x), F.lp_pool2d(x, 2, 2)]
    assert len(seen) == len(expected)
    assert all(torch.equal(one, other) for one, other in zip(seen, expected, strict=True))
