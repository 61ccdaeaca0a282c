"""The sum of SynFlow, its protocols and its range."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import zcproxy
from zcproxy.errors import MeasureError


def synflow(network: nn.Module, shape: tuple[int, ...], protocol: str = "clean") -> float:
    targets = torch.zeros(shape[0], dtype=torch.int64)
    return zcproxy.score(network, torch.randn(shape), targets, ["synflow"], protocol)["synflow"]


def test_it_is_the_sum_of_its_saliency(case: Any) -> None:
    batch = case.inputs, case.targets
    weights = zcproxy.saliency(case.network, *batch, "synflow")
    expected = sum(float(w.sum()) for w in weights.values())
    found = zcproxy.score(case.network, *batch, ["synflow"])["synflow"]
    assert found == pytest.approx(expected, rel=1e-12)
    assert found > 0


def test_a_bias_free_network_is_layers_times_the_sum_of_all_paths() -> None:
    first = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    last = torch.tensor([[-1.0, 4.0]])
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        network[0].weight.copy_(first)
        network[2].weight.copy_(last)
    paths = (1 + 2) * 1 + (0.5 + 3) * 4
    assert synflow(network, (3, 2)) == pytest.approx(2 * paths, rel=1e-12)


def test_biases_count_once_batch_norm_is_gone() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(1, 1))
    with torch.no_grad():
        for p, value in zip(network.parameters(), (2.0, -3.0, 9.0, 9.0, 5.0, 7.0), strict=True):
            p.fill_(value)
    # R = 5 (2 x + 3) + 7 at x = 1: conv 2 * 5, linear 5 * (2 + 3)
    assert synflow(network, (2, 1, 1, 1)) == pytest.approx(10 + 25)


def test_layer_norm_is_a_no_op_when_clean_only() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    bare = nn.Sequential(network[0], nn.Identity(), network[2])
    assert synflow(network, (2, 3)) == synflow(bare, (2, 3))
    assert synflow(network, (2, 3), "abdelfattah2021") != pytest.approx(
        synflow(bare, (2, 3)), rel=0.01
    )


def test_more_than_float64_holds_is_an_overflow() -> None:
    network = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(9))).double()
    with torch.no_grad():
        for p in network.parameters():
            p.fill_(1e40)
    with pytest.raises(MeasureError, match="range of float64") as caught:
        synflow(network.double(), (2, 1))
    assert caught.value.kind == "overflow"


def test_a_network_whose_output_ignores_its_weights_is_disconnected() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.idle = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.new_zeros(len(x), 3)

    with pytest.raises(MeasureError) as caught:
        synflow(Constant(), (2, 2))
    assert caught.value.kind == "disconnected"


@pytest.mark.parametrize("name", ["synflow", "logsynflow", "synflow_bn", "snr_synflow"])
def test_an_overflow_is_one_where_weights_are_zero_too(name: str) -> None:
    network = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(9))).double()
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(torch.tensor([[1e40, 0.0], [1e40, 1e40]], dtype=torch.float64))
    with pytest.raises(MeasureError) as caught:
        zcproxy.score(network, torch.randn(3, 2).double(), torch.zeros(3).long(), [name])
    assert caught.value.kind == "overflow"


@pytest.mark.parametrize("name", ["synflow", "logsynflow", "snr_synflow", "t_cet_synflow"])
def test_a_network_that_cannot_run_in_float64_keeps_its_other_scores(name: str) -> None:
    class Single(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) + nn.functional.linear(torch.ones(1, 3), self.weight)

    batch = torch.randn(4, 3), torch.arange(4) % 3
    with pytest.raises(MeasureError, match=name) as caught:
        zcproxy.score(Single(3, 3), *batch, ["snip", name])
    assert caught.value.kind == "not_applicable"
    assert set(caught.value.scores) == {"snip"}  # type: ignore[attr-defined]
