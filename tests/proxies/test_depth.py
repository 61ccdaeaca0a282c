"""The longest path in layers, against all paths one by one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import zcproxy
from zcproxy.blueprint import WEIGHTED, Blueprint


def depth(network: nn.Module, inputs: Tensor) -> float:
    targets = torch.zeros(len(inputs), dtype=torch.int64)
    return zcproxy.score(network, inputs, targets, ["depth"])["depth"]


def slow_depth(blueprint: Blueprint) -> int:
    """Every path through the cell, followed from the output back to the input."""
    if not blueprint.connected:
        return 0

    def paths(value: Any) -> list[int]:
        lengths = []
        for atom, _ in value:
            if atom == 0:
                lengths.append(0)
            else:
                op = blueprint.cell.operations[atom - 1]
                lengths += [n + (op.name in WEIGHTED) for n in paths(op.source)]
        return lengths

    cells = blueprint.cells * blueprint.stages
    return 1 + cells * max(paths(blueprint.cell.output)) + 2 * (blueprint.stages - 1) + 1


def test_tiny_networks(case: Any) -> None:
    expected = {"mlp": 3, "grouped": 3, "residual": 3}[case.name]
    assert depth(case.network, case.inputs) == expected


@pytest.mark.parametrize("first", [0, 400])
def test_architectures_by_blueprint_by_network_and_by_all_paths(first: int) -> None:
    space = zcproxy.space("digits201")
    for architecture in space.architectures()[first : first + 12]:
        expected = slow_depth(space.blueprint(architecture))
        assert space.counts(architecture)["depth"] == expected
        network = space.network(architecture, live=False)
        assert depth(network, torch.randn(2, 1, 8, 8)) == expected


class Branches(nn.Module):
    """One layer beside three, of which the last is the first again; and idle ones."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Conv1d(4, 4, 1)
        self.short, self.idle = nn.Linear(4, 4), nn.Sequential(*(nn.Linear(4, 4),) * 9)
        self.position = nn.Parameter(torch.randn(4))

    def forward(self, x: Tensor) -> Tensor:
        self.idle(x)
        long = self.first(self.second(self.first(x)[..., None])[..., 0])
        constant = self.short(self.short(self.short(self.short(self.position))))
        out: Tensor = long + self.short(x) + constant
        return out


def test_only_paths_from_the_input_to_the_output_count() -> None:
    assert depth(Branches(), torch.randn(3, 4)) == 3


def test_poolings_norms_and_activations_are_no_layers() -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.AvgPool2d(3, 1, 1)
    )
    network.extend([nn.PReLU(), nn.Flatten(), nn.LayerNorm(48)])
    assert depth(network, torch.randn(2, 2, 4, 4)) == 1


def test_all_passes_together_change_nothing() -> None:
    space = zcproxy.space("digits201")
    architecture = space.subset("live")[7]
    network = space.network(architecture)
    batch = torch.randn(4, 1, 8, 8), torch.arange(4)
    together = zcproxy.score(network, *batch, ["grasp", "nwot", "fisher", "flops", "depth"])
    assert together["depth"] == space.counts(architecture)["depth"]


def test_integer_inputs_begin_at_the_embedding() -> None:
    network = nn.Sequential(nn.Embedding(5, 2), nn.Flatten(), nn.Linear(4, 3))
    assert depth(network, torch.randint(0, 5, (4, 2))) == 1


def test_attention_is_a_projection_and_another() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.attention(x, x, x)[0].mean(1)
            return out

    assert depth(Attention(), torch.randn(3, 5, 4)) == 2


def test_nothing_is_deep_without_a_path() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x.new_zeros(len(x), 2), self.weight.weight)

    assert depth(Constant(), torch.randn(3, 2)) == 0


def test_a_very_deep_network_needs_no_recursion() -> None:
    network = nn.Sequential(*(nn.Linear(1, 1) for _ in range(3000)))
    assert depth(network, torch.randn(2, 1)) == 3000


def test_what_is_made_of_a_weight_makes_a_layer() -> None:
    class Standardized(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
            return nn.functional.conv2d(x, weight / weight.std(), self.bias)

    network = nn.Sequential(Standardized(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3))
    assert depth(network, torch.randn(3, 2, 4, 4)) == 2
