"""Jacobian covariance against central differences, np.corrcoef and np.linalg.eigvalsh."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import zcproxy
from zcproxy.errors import MeasureError


def slow_jacob_cov(rows: np.ndarray) -> float:
    values = np.clip(np.linalg.eigvalsh(np.corrcoef(rows)), 0, None)
    return -float(np.sum(np.log(values + 1e-5) + 1 / (values + 1e-5)))


def numeric_rows(case: Any, step: float = 1e-6) -> np.ndarray:
    """d(sum of all outputs)/d(input) by central differences; the batch is a whole."""
    rows = torch.zeros(case.inputs.shape, dtype=torch.float64)
    with torch.no_grad():
        for i in range(case.inputs.numel()):
            ends = []
            for sign in (1, -1):
                moved = case.inputs.clone()
                moved.view(-1)[i] += sign * step
                ends.append(case.network(moved).sum())
            rows.view(-1)[i] = (ends[0] - ends[1]) / (2 * step)
    return rows.flatten(1).numpy()


@pytest.mark.parametrize("protocol", ["clean", "abdelfattah2021"])
def test_the_definition(case: Any, protocol: str) -> None:
    if case.name == "mlp":  # more inputs, so that the correlations are of full rank
        case.network = nn.Sequential(nn.Linear(9, 5), nn.Tanh(), nn.Linear(5, 3)).double()
        case.inputs = torch.randn(4, 9, generator=torch.Generator().manual_seed(0)).double()
        case.targets = case.targets[:4]
    expected = slow_jacob_cov(numeric_rows(case))
    batch = case.inputs, case.targets
    found = zcproxy.score(case.network, *batch, ["jacob_cov"], protocol)["jacob_cov"]
    assert found == pytest.approx(expected, rel=1e-4)
    assert found * 1.01 != pytest.approx(expected, rel=1e-4)


def test_equal_images_give_one_over_k() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    image = torch.randn(1, 6).double()
    batch = image.expand(3, 6), torch.tensor([0, 1, 2])
    found = zcproxy.score(network, *batch, ["jacob_cov"])["jacob_cov"]
    k = 1e-5
    expected = -(np.log(3 + k) + 1 / (3 + k) + 2 * (np.log(k) + 1 / k))
    assert found == pytest.approx(expected, rel=1e-9)


def test_eigenvalues_below_zero_count_as_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding makes them by 1e-16; here by 2e-5, where log(v + k) would not exist."""
    exact = torch.linalg.eigvalsh
    monkeypatch.setattr(torch.linalg, "eigvalsh", lambda matrix: exact(matrix) - 2e-5)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    batch = torch.randn(1, 6).double().expand(3, 6), torch.tensor([0, 1, 2])
    found = zcproxy.score(network, *batch, ["jacob_cov"])["jacob_cov"]
    k, top = 1e-5, 3 - 2e-5
    expected = -(np.log(top + k) + 1 / (top + k) + 2 * (np.log(k) + 1 / k))
    assert found == pytest.approx(expected, rel=1e-9)


def test_one_image_has_nothing_to_correlate_with() -> None:
    with pytest.raises(MeasureError, match="at least two images") as caught:
        zcproxy.score(nn.Linear(3, 2), torch.randn(1, 3), torch.tensor([0]), ["jacob_cov"])
    assert caught.value.kind == "not_applicable"


def failure(network: nn.Module, inputs: Any, targets: torch.Tensor) -> str:
    with pytest.raises(MeasureError) as caught:
        zcproxy.score(network, inputs, targets, ["jacob_cov"])
    return caught.value.kind


def test_a_constant_row_is_degenerate() -> None:
    class Average(nn.Module):
        def __init__(self, dtype: torch.dtype) -> None:
            super().__init__()
            self.head = nn.Linear(1, 2, dtype=dtype)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.head(x.flatten(1).mean(1, keepdim=True))
            return out

    for dtype in (torch.float32, torch.float64):
        inputs = torch.randn(3, 3, 7, 11, dtype=dtype)
        assert failure(Average(dtype), inputs, torch.tensor([0, 1, 0])) == "degenerate"


def test_a_disconnected_network_is_said_to_be() -> None:
    class Biases(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.head(torch.zeros_like(x))
            return out

    assert failure(Biases(), torch.randn(3, 2), torch.tensor([0, 1, 0])) == "disconnected"


def test_integers_have_no_derivative() -> None:
    network = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 2))
    tokens = torch.randint(0, 5, (3, 2))
    assert failure(network, tokens, torch.tensor([0, 1, 0])) == "not_applicable"


def test_several_inputs_are_one_row() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Linear(4, 3), nn.Linear(5, 3)

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.one(a).tanh() * self.other(b)
            return out

    torch.manual_seed(0)
    network = Two().double()
    a, b = torch.randn(3, 4).double().requires_grad_(), torch.randn(3, 5).double().requires_grad_()
    rows = torch.cat(torch.autograd.grad(network(a, b).sum(), [a, b]), 1).numpy()
    targets = torch.tensor([0, 1, 2])
    for inputs in ((a.detach(), b.detach()), {"b": b.detach(), "a": a.detach()}):
        found = zcproxy.score(network, inputs, targets, ["jacob_cov"])["jacob_cov"]
        assert found == pytest.approx(slow_jacob_cov(rows), rel=1e-9)


def test_infinite_derivatives_are_nonfinite() -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.head((x * 0).sqrt())
            return out

    assert failure(Root(), torch.rand(3, 2), torch.tensor([0, 1, 0])) == "nonfinite"
