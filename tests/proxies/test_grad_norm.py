"""Sum over layers of the norm of dL/dW, against central differences."""

from __future__ import annotations

from typing import Any

import pytest

import zcproxy


@pytest.mark.parametrize("protocol", ["clean", "abdelfattah2021"])
def test_the_definition(case: Any, protocol: str) -> None:
    gradient = case.gradient()
    pairs = [(weight, gradient[name]) for name, weight in case.weights.items()]
    expected = sum(float(g.square().sum()) ** 0.5 for _, g in pairs)
    found = zcproxy.score(case.network, case.inputs, case.targets, ["grad_norm"], protocol)[
        "grad_norm"
    ]
    assert found == pytest.approx(expected, rel=1e-5)
    assert found * 1.01 != pytest.approx(expected, rel=1e-5)


def test_it_is_not_the_global_norm(case: Any) -> None:
    gradient = case.gradient()
    together = sum(float(g.square().sum()) for g in gradient.values()) ** 0.5
    found = zcproxy.score(case.network, case.inputs, case.targets, ["grad_norm"])["grad_norm"]
    assert found > 1.1 * together
