"""The signal-to-noise ratio of SynFlow, layer by layer with loops."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

import zcproxy
from zcproxy.errors import MeasureError


def test_the_definition(case: Any) -> None:
    batch = case.inputs, case.targets
    expected = 0.0
    for saliency in zcproxy.saliency(case.network, *batch, "synflow").values():
        numbers = saliency.flatten().tolist()
        mean = sum(numbers) / len(numbers)
        variance = sum((x - mean) ** 2 for x in numbers) / (len(numbers) - 1)
        expected += sum(numbers) / math.sqrt(variance)
    found = zcproxy.score(case.network, *batch, ["snr_synflow"])["snr_synflow"]
    assert found == pytest.approx(expected, rel=1e-12)
    assert found * 1.001 != pytest.approx(expected, rel=1e-9)


def test_by_hand() -> None:
    network = nn.Linear(2, 1, bias=False).double()
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0, -3.0]]))
    batch = torch.randn(3, 2, dtype=torch.float64), torch.zeros(3, dtype=torch.int64)
    # saliencies 1 and 3: sum 4, standard deviation sqrt(2)
    found = zcproxy.score(network, *batch, ["snr_synflow"])["snr_synflow"]
    assert found == pytest.approx(4 / math.sqrt(2))


def test_more_than_float64_holds_is_an_overflow() -> None:
    network = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(9))).double()
    with torch.no_grad():
        for p in network.parameters():
            p.uniform_(1e40, 2e40, generator=torch.Generator().manual_seed(0))
    batch = torch.randn(3, 2, dtype=torch.float64), torch.zeros(3, dtype=torch.int64)
    with pytest.raises(MeasureError) as caught:
        zcproxy.score(network, *batch, ["snr_synflow"])
    assert caught.value.kind == "overflow"


def network_of(value: float) -> nn.Module:
    network = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(8, 10, bias=False),
    )
    for p in network.parameters():
        nn.init.constant_(p, value)
    return network


@pytest.mark.parametrize("value", [0.1, 0.3, 1 / 3])
def test_layers_of_equal_saliencies_count_with_their_sum_whatever_rounding_leaves(
    value: float,
) -> None:
    batch = torch.randn(12, 3, 9, 9), torch.arange(12) % 10
    found = zcproxy.score(network_of(value), *batch, ["snr_synflow", "synflow"])
    assert found["snr_synflow"] == pytest.approx(found["synflow"], rel=1e-9)


def test_weights_that_are_not_finite_are_no_overflow() -> None:
    batch = torch.randn(12, 3, 9, 9), torch.arange(12) % 10
    with pytest.raises(MeasureError, match="parameter is not finite") as caught:
        zcproxy.score(network_of(math.nan), *batch, ["snr_synflow"])
    assert caught.value.kind == "nonfinite"


@pytest.mark.parametrize("name", ["snr_synflow", "synflow", "synflow_bn", "logsynflow"])
def test_a_disconnected_network_has_no_flow(name: str) -> None:
    space = zcproxy.space("digits201")
    network = space.network("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    batch = torch.randn(4, 1, 8, 8), torch.arange(4)
    assert zcproxy.score(network, *batch, [name]) == {name: 0.0}
