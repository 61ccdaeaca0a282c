"""Fisher information summed over weights, against a loop over images."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import zcproxy


def slow_fisher(network: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Every channel's 1/2 mean_n (sum a * dL/da)^2, times the weights of the channel."""
    layers, outputs, zeros = [], [], []

    def hook(layer: nn.Module, _: Any, output: Tensor) -> Tensor:
        layers.append(layer)
        outputs.append(output.detach().clone())
        zeros.append(torch.zeros_like(output).requires_grad_())
        return output + zeros[-1]

    handles = [
        m.register_forward_hook(hook)
        for m in network.modules()
        if isinstance(m, nn.Conv2d | nn.Linear)
    ]
    gradients = torch.autograd.grad(F.cross_entropy(network(inputs), targets), zeros)
    for handle in handles:
        handle.remove()
    total = 0.0
    for layer, a, g in zip(layers, outputs, gradients, strict=True):
        per_channel = layer.weight[0].numel()
        for c in range(a.shape[1]):
            squares = [float((a[n, c] * g[n, c]).sum()) ** 2 for n in range(len(a))]
            total += per_channel * sum(squares) / len(a) / 2
    return total


@pytest.mark.parametrize("protocol", ["clean", "abdelfattah2021"])
def test_the_definition(case: Any, protocol: str) -> None:
    expected = slow_fisher(case.network, case.inputs, case.targets)
    found = zcproxy.score(case.network, case.inputs, case.targets, ["fisher"], protocol)["fisher"]
    assert found == pytest.approx(expected, rel=1e-9)
    assert found * 1.01 != pytest.approx(expected, rel=1e-9)


def test_one_image(case: Any) -> None:
    expected = slow_fisher(case.network, case.inputs[:1], case.targets[:1])
    found = zcproxy.score(case.network, case.inputs[:1], case.targets[:1], ["fisher"])["fisher"]
    assert found == pytest.approx(expected, rel=1e-9)
