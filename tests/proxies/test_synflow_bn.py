"""SynFlow with batch norm at work, against finite differences."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zcproxy
from zcproxy.errors import MeasureError


def synflow_bn(network: nn.Module, inputs: Tensor, protocol: str = "clean") -> float:
    targets = torch.zeros(len(inputs), dtype=torch.int64)
    return zcproxy.score(network, inputs, targets, ["synflow_bn"], protocol)["synflow_bn"]


def slow_synflow_bn(network: nn.Module, inputs: Tensor, training: bool, step: float = 1e-6) -> Any:
    """Every weight of a copy with absolute parameters moved by itself."""
    bare = copy.deepcopy(network).double().train(training)
    with torch.no_grad():
        for p in bare.parameters():
            p.abs_()
    ones, total = torch.ones_like(inputs[:1]).double(), 0.0
    for layer in bare.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            for index in range(layer.weight.numel()):
                ends = []
                for sign in (1, -1):
                    with torch.no_grad():
                        layer.weight.view(-1)[index] += sign * step
                        ends.append(float(bare(ones).sum().detach()))
                        layer.weight.view(-1)[index] -= sign * step
                slope = (ends[0] - ends[1]) / (2 * step)
                total += abs(float(layer.weight.view(-1)[index].detach()) * slope)
    return total


@pytest.mark.parametrize("protocol", ["clean", "abdelfattah2021", "tanaka2020"])
def test_the_definition(case: Any, protocol: str) -> None:
    expected = slow_synflow_bn(case.network, case.inputs, training=protocol != "tanaka2020")
    found = synflow_bn(case.network, case.inputs, protocol)
    assert found == pytest.approx(expected, rel=1e-5)
    assert found * 1.001 != pytest.approx(expected, rel=1e-5)


def test_batch_norm_is_what_differs_from_synflow(case: Any) -> None:
    batch = case.inputs, case.targets
    both = zcproxy.score(case.network, *batch, ["synflow", "synflow_bn"])
    same = both["synflow"] == pytest.approx(both["synflow_bn"], rel=1e-9)
    assert same == (case.name == "mlp")


def test_a_network_of_cells() -> None:
    space = zcproxy.space("digits201")
    network = space.network(space.subset("live")[3]).double()
    bare = copy.deepcopy(network)
    with torch.no_grad():
        for p in bare.parameters():
            p.abs_()
    weights = [m.weight for m in bare.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    ones = torch.ones(1, 1, 8, 8, dtype=torch.float64)
    gradients = torch.autograd.grad(bare(ones).sum(), weights)
    expected = sum(
        float((w * g).abs().sum().detach()) for w, g in zip(weights, gradients, strict=1)
    )
    found = synflow_bn(network, torch.randn(2, 1, 8, 8, dtype=torch.float64))
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("bias", [True, False])
def test_what_is_nothing_but_rounding_is_degenerate(bias: bool) -> None:
    """Without padding ones stay equal, and batch norm makes zeros of them."""
    torch.manual_seed(0)
    for padding in (0, 1):
        convolution = nn.Conv2d(3, 8, 3, padding=padding, bias=bias)
        pooled = nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        network = nn.Sequential(
            convolution, nn.BatchNorm2d(8), *pooled, nn.Linear(8, 10, bias=bias)
        )
        if padding:
            assert synflow_bn(network, torch.randn(4, 3, 9, 9)) > 0.1
            continue
        with pytest.raises(MeasureError, match="rounding") as caught:
            synflow_bn(network, torch.randn(4, 3, 9, 9))
        assert caught.value.kind == "degenerate"


def test_batch_norm_of_one_number_cannot_work() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    with pytest.raises(MeasureError, match="more than 1 value") as caught:
        synflow_bn(network, torch.randn(5, 3))
    assert caught.value.kind == "not_applicable"
