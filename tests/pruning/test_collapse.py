"""The forecast of layer collapse against pruning at every density."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from zcproxy.errors import InputError
from zcproxy.pruning import METHODS, Collapse, critical_density, prune


def network() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 30), nn.ReLU(), nn.Linear(30, 30), nn.ReLU(), nn.Linear(30, 3))
    with torch.no_grad():
        net[4].weight.mul_(0.5)
    return net


BATCH = (torch.randn(8, 6, generator=torch.Generator().manual_seed(1)), torch.arange(8) % 3)


@pytest.mark.parametrize("method", list(METHODS))
def test_it_is_the_first_density_of_the_grid_at_which_a_layer_is_empty(method: str) -> None:
    net = network()
    how: dict[str, Any] = {"rounds": 3} if METHODS[method].rounds > 1 else {}
    expected = None
    for k in range(1, 40):
        mask = prune(net, *BATCH, method, density=10 ** (-k / 10), **how)
        if mask.collapsed:
            expected = Collapse(k * 0.1, 10.0 ** -(k * 0.1), tuple(mask.collapsed))
            break
    found = critical_density(net, *BATCH, method, step=0.1, **how)
    assert found is not None
    assert expected is not None
    assert found.exponent == pytest.approx(expected.exponent)
    assert found.layers == expected.layers
    if METHODS[method].rounds == 1:  # one scoring for all densities changes nothing
        assert critical_density(net, *BATCH, method, step=0.1, schedule="linear", floor=0) == found


def test_synflow_keeps_every_layer_longest() -> None:
    found = {
        method: critical_density(network(), *BATCH, method, step=0.25, rounds=rounds)
        for method, rounds in (("magnitude", 1), ("synflow", 20))
    }
    assert found["magnitude"] is not None
    assert found["synflow"] is not None
    assert found["magnitude"].exponent < found["synflow"].exponent


def test_floors_prevent_it_up_to_the_end() -> None:
    assert critical_density(network(), *BATCH, "magnitude", floor=1, stop=2) is None


def test_where_no_weight_is_left_every_layer_is_dead() -> None:
    found = critical_density(network(), None, method="magnitude", start=4, stop=4)
    assert found is not None
    assert found.layers == ("0.weight", "2.weight", "4.weight")
    assert str(found) == "10^4 (density 0.0001): 0.weight, 2.weight, 4.weight"


def test_arguments_are_checked_and_progress_told() -> None:
    seen: list[float] = []
    critical_density(network(), None, method="random", step=0.5, stop=1, progress=seen.append)
    assert seen == [0.5, 1.0]
    for wrong, says in (
        ({"density": 0.1}, "leave out density"),
        ({"step": 0}, "step must be positive"),
        ({"start": 2, "stop": 1}, "no grid point"),
    ):
        with pytest.raises(InputError, match=says):
            critical_density(network(), None, method="random", **wrong)  # type: ignore[arg-type]
