"""Multiply-adds per weight against counts by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from zcproxy.errors import InputError
from zcproxy.pruning.costs import multiply_adds


def test_convolutions_and_linear_layers() -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, stride=2, groups=2),
        nn.Flatten(),
        nn.Linear(24, 3),
    )
    costs = multiply_adds(network, torch.randn(7, 2, 6, 6))
    assert costs.by_weight == {"0.weight": 72 * 36, "3.weight": 108 * 4, "5.weight": 72}
    assert costs.total == sum(costs.by_weight.values())
    assert costs.per_weight("0.weight", 72) == 36
    assert costs.per_weight("unused", 5) == 0


def test_a_transposed_convolution_uses_its_weights_once_per_input() -> None:
    network = nn.ConvTranspose2d(3, 5, 2, stride=2, bias=False)
    assert multiply_adds(network, torch.randn(1, 3, 4, 4)).by_weight == {"weight": 60 * 16}


def test_attention_and_a_linear_layer_of_tokens() -> None:
    network = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    costs = multiply_adds(network, torch.randn(3, 5, 8))
    assert costs.by_weight == {
        "self_attn.in_proj_weight": 192 * 5,
        "self_attn.out_proj.weight": 64 * 5,
        "linear1.weight": 128 * 5,
        "linear2.weight": 128 * 5,
    }
    assert costs.total - sum(costs.by_weight.values()) == 2 * 2 * 5 * 5 * 4  # scores and mixing


def test_a_shared_weight_costs_as_often_as_it_is_used() -> None:
    layer = nn.Linear(4, 4)
    network = nn.Sequential(layer, nn.ReLU(), layer)
    assert multiply_adds(network, torch.randn(1, 4)).by_weight == {"0.weight": 32}


def test_it_leaves_the_network_alone() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)
            self.norm = nn.BatchNorm1d(2)
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            out: Tensor = self.norm(self.layer(x))
            return out

    network = Counting()
    before = copy.deepcopy(network.state_dict())
    multiply_adds(network, torch.randn(4, 3))
    assert network.training
    assert all(torch.equal(v, before[n]) for n, v in network.state_dict().items())
    with pytest.raises(InputError, match="cannot be computed on inputs"):
        multiply_adds(network, torch.randn(4, 5))
