"""Sums and norms in float64."""

from __future__ import annotations

import pytest
import torch

from zcproxy.totals import norms, signal_to_noise, total


def test_sums_are_in_float64() -> None:
    ones = torch.full((1000,), 0.1, dtype=torch.float32)
    many = {"a": torch.tensor([1e8]), **{f"b{i}": ones for i in range(10)}}
    exact = 1e8 + 10_000 * float(torch.tensor(0.1, dtype=torch.float32))
    assert total(many) == pytest.approx(exact, rel=1e-14)
    assert total({"a": torch.tensor([3e38, 3e38])}) == pytest.approx(6e38, rel=1e-6)


def test_norms_are_added_not_squared() -> None:
    assert norms({"a": torch.tensor([3.0, 4.0]), "b": torch.tensor([[5.0], [12.0]])}) == 18
    assert norms({"a": torch.tensor([3e30, 4e30])}) == pytest.approx(5e30)


def test_nothing_adds_up_to_nothing() -> None:
    assert total({}) == 0
    assert norms({}) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_differs_by_rounding_alone_has_no_deviation(dtype: torch.dtype) -> None:
    eps = torch.finfo(dtype).eps
    equal = torch.full((1000,), 0.1, dtype=dtype)
    nearly = equal * (1 + 4 * eps * torch.randn(1000, dtype=dtype))
    different = equal * (1 + 1000 * eps * torch.randn(1000, dtype=dtype))
    assert signal_to_noise({"a": equal}) == pytest.approx(100)
    assert signal_to_noise({"a": nearly}) == pytest.approx(100)
    ratio = float(different.double().sum() / different.double().std())
    assert signal_to_noise({"a": different}) == pytest.approx(ratio, rel=1e-9)
    assert ratio > 1e5
