"""Number of parameters on a path from input to output."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import zcproxy


def live_params(network: nn.Module, inputs: torch.Tensor) -> float:
    targets = torch.zeros(len(inputs), dtype=torch.int64)
    return zcproxy.score(network, inputs, targets, ["live_params"])["live_params"]


class Branches(nn.Module):
    """A used branch, one whose result is dropped, one under no_grad, one never called."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.dropped = nn.Linear(3, 2), nn.Linear(3, 5)
        self.detached, self.idle = nn.Linear(3, 2), nn.Linear(7, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.dropped(x).relu()
        out: torch.Tensor = self.used(x) + self.detached(x).detach()
        return out


def test_everything_lives_in_a_plain_network(case: Any) -> None:
    expected = sum(p.numel() for p in case.network.parameters())
    assert live_params(case.network, case.inputs) == expected


def test_only_what_the_backward_pass_reaches_counts() -> None:
    assert live_params(Branches(), torch.randn(4, 3)) == 3 * 2 + 2


def test_frozen_parameters_live_too() -> None:
    network = Branches().requires_grad_(False)
    assert live_params(network, torch.randn(4, 3)) == 8


def test_nothing_lives_where_the_output_ignores_the_input() -> None:
    network = nn.Linear(3, 2)
    forward = network.forward
    network.forward = lambda x: forward(torch.zeros_like(x))  # type: ignore[method-assign]
    assert live_params(network, torch.randn(4, 3)) == 0


def test_integers_count_as_inputs() -> None:
    network = nn.Sequential(nn.Embedding(5, 2), nn.Flatten(), nn.Linear(4, 3))
    assert live_params(network, torch.randint(0, 5, (4, 2))) == 10 + 12 + 3
