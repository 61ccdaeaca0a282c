"""Number of parameters, counted one tensor at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import zcproxy


def params(network: nn.Module, inputs: torch.Tensor) -> float:
    targets = torch.zeros(len(inputs), dtype=torch.int64)
    return zcproxy.score(network, inputs, targets, ["params"])["params"]


def test_every_parameter_counts_once(case: Any) -> None:
    expected = sum(len(p.flatten()) for p in case.network.parameters())
    assert params(case.network, case.inputs) == expected


def test_frozen_idle_and_shared_ones() -> None:
    network = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2), "idle": nn.Linear(3, 1)})
    network["b"].weight = network["a"].weight
    network["a"].bias.requires_grad_(False)
    network.forward = lambda x: network["b"](network["a"](x))  # type: ignore[method-assign]
    assert params(network, torch.randn(3, 2)) == 4 + 2 + 2 + 4


def test_no_parameters_are_none() -> None:
    assert params(nn.Flatten(), torch.randn(3, 2)) == 0
