"""Multiply-adds per image, counted output by output."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import zcproxy
from zcproxy import proxies


def flops(network: nn.Module, inputs: Tensor, names: tuple[str, ...] = ("flops",)) -> float:
    targets = torch.arange(len(inputs)) % 3
    results = zcproxy.scoring.measure(network, inputs, targets, names)
    assert results["flops"].value is not None
    return results["flops"].value


def slow_flops(network: nn.Module, inputs: Tensor) -> float:
    """Every output of a layer costs one multiply-add per weight of its channel."""
    total = 0

    def hook(layer: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer.weight, Tensor)
        total += output[0].numel() * layer.weight[0].numel()

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(hook) for layer in layers]
    network(inputs)
    for handle in handles:
        handle.remove()
    return total


def test_every_layer_is_counted(case: Any) -> None:
    expected = slow_flops(case.network, case.inputs)
    assert expected > 0
    assert flops(case.network, case.inputs) == expected


def test_other_measures_add_nothing(case: Any) -> None:
    everything = tuple(proxies.names())
    assert flops(case.network, case.inputs, everything) == slow_flops(case.network, case.inputs)
    assert flops(case.network, case.inputs, ("nwot", "flops")) == flops(case.network, case.inputs)


def test_the_size_of_the_batch_plays_no_part(case: Any) -> None:
    assert flops(case.network, case.inputs[:2]) == flops(case.network, case.inputs)


def test_matrix_products_count_too() -> None:
    class Attention(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return ((x @ x.transpose(1, 2)) @ x).flatten(1)

    assert flops(Attention(), torch.randn(5, 3, 2)) == 2 * 3 * 2 * 3
