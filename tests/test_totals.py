"""Sums and norms in float64."""

from __future__ import annotations

import pytest
import torch

import zcproxy
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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_tells_layers_that_differ_from_rounding(dtype: torch.dtype) -> None:
    eps = torch.finfo(dtype).eps
    numbers = torch.Generator().manual_seed(0)
    uniform = torch.rand(1000, generator=numbers).to(dtype)  # the deviation is .58 of the mean
    little = (1 + 0.1 * torch.randn(1000, generator=numbers)).to(dtype)
    for scores in (uniform, little):
        ratio = float(scores.double().sum() / scores.double().std())
        assert signal_to_noise({"a": scores}) == pytest.approx(ratio, rel=1e-12)
    steps = torch.randint(-2, 3, (1000,), generator=numbers)
    nearly = (1.5 + eps * steps).to(dtype)  # up to two neighbors away
    assert nearly.unique().numel() == 5
    assert signal_to_noise({"a": nearly}) == pytest.approx(1500, rel=eps)


def test_a_snip_ratio_in_half_precision_is_near_that_in_single() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(12, 40), torch.nn.ReLU(), torch.nn.Linear(40, 3))
    inputs, targets = torch.randn(16, 12), torch.arange(16) % 3
    half = torch.bfloat16
    single = zcproxy.score(net, inputs, targets, ["snr_snip"])["snr_snip"]
    coarse = zcproxy.score(net.to(half), inputs.to(half), targets, ["snr_snip"])["snr_snip"]
    assert coarse == pytest.approx(single, rel=0.05)


@pytest.mark.parametrize("power", [-700, -300, 300, 700])
def test_ratios_do_not_depend_on_the_size_of_a_saliency(power: int) -> None:
    """The square of 2^700 is no number of float64, that of 2^-700 is zero."""
    numbers = torch.rand(50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = signal_to_noise({"layer": numbers * 2.0**power})
    assert found == signal_to_noise({"layer": numbers})
    equal = signal_to_noise({"layer": torch.full((4,), 2.0**power, dtype=torch.float64)})
    assert equal == 4 * 2.0**power
