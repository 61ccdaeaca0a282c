"""Sum of w * dL/dw, against central differences."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import zcproxy


@pytest.mark.parametrize("protocol", ["clean", "abdelfattah2021"])
def test_the_definition(case: Any, protocol: str) -> None:
    gradient = case.gradient()
    pairs = [(weight, gradient[name]) for name, weight in case.weights.items()]
    expected = sum(float((w * g).sum()) for w, g in pairs)
    found = zcproxy.score(case.network, case.inputs, case.targets, ["plain"], protocol)["plain"]
    assert found == pytest.approx(expected, rel=1e-5)
    assert found * 1.01 != pytest.approx(expected, rel=1e-5)


def test_it_may_be_negative_and_is_not_made_positive() -> None:
    network = torch.nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 3.0]]))
    right, wrong = torch.tensor([0, 1]), torch.tensor([1, 0])
    inputs = torch.eye(2)
    assert zcproxy.score(network, inputs, right, ["plain"])["plain"] < 0
    assert zcproxy.score(network, inputs, wrong, ["plain"])["plain"] > 0
