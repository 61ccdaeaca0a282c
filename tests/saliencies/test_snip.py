"""snip of every weight, abs(w * dL/dw), against central differences."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import zcproxy


def expected(case: Any) -> dict[str, Tensor]:
    gradient = case.gradient()
    return {name: (w * gradient[name]).abs() for name, w in case.weights.items()}


def test_it_is_weight_times_gradient(case: Any) -> None:
    oracle = expected(case)
    found = zcproxy.saliency(case.network, case.inputs, case.targets, "snip")
    assert list(found) == list(oracle)
    for name, scores in oracle.items():
        torch.testing.assert_close(found[name], scores, rtol=1e-5, atol=1e-8)
        with pytest.raises(AssertionError):
            torch.testing.assert_close(found[name] * 1.01, scores, rtol=1e-5, atol=1e-8)


def test_weights_that_no_path_uses_score_zero() -> None:
    network = torch.nn.ModuleDict({"used": torch.nn.Linear(2, 3), "idle": torch.nn.Linear(2, 3)})
    network.forward = lambda x: network["used"](x)  # type: ignore[method-assign]
    found = zcproxy.saliency(network, torch.randn(4, 2), torch.tensor([0, 1, 2, 0]), "snip")
    assert bool((found["idle.weight"] == 0).all())
    assert found["idle.weight"].shape == (3, 2)
    assert bool((found["used.weight"] != 0).any())
