"""Minus the sum of W (H g), against the explicit Hessian."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import zcproxy


@pytest.mark.parametrize("protocol", ["clean", "abdelfattah2021"])
def test_the_definition(case: Any, protocol: str) -> None:
    gradient = torch.cat([g.flatten() for g in case.gradient().values()])
    weights = torch.cat([w.flatten() for w in case.weights.values()])
    expected = -float((weights * (case.hessian() @ gradient)).sum())
    found = zcproxy.score(case.network, case.inputs, case.targets, ["grasp"], protocol)["grasp"]
    assert found == pytest.approx(expected, rel=1e-5)
    assert found * 1.01 != pytest.approx(expected, rel=1e-5)


def test_the_saliency_has_the_opposite_sign(case: Any) -> None:
    batch = case.inputs, case.targets
    weights = zcproxy.saliency(case.network, *batch, "grasp")
    total = sum(float(s.sum()) for s in weights.values())
    assert zcproxy.score(case.network, *batch, ["grasp"])["grasp"] == pytest.approx(
        -total, rel=1e-9
    )


def test_float32_is_close_to_float64(case: Any) -> None:
    batch = case.inputs, case.targets
    exact = zcproxy.score(case.network, *batch, ["grasp"])["grasp"]
    single = zcproxy.score(case.network.float(), batch[0].float(), batch[1], ["grasp"])["grasp"]
    assert single == pytest.approx(exact, rel=1e-4)


def test_a_split_batch_would_change_it(case: Any) -> None:
    batch = case.inputs[:4], case.targets[:4]
    whole = zcproxy.score(case.network, *batch, ["grasp"])["grasp"]
    parts = [
        zcproxy.score(case.network, batch[0][p], batch[1][p], ["grasp"])["grasp"]
        for p in (slice(0, 2), slice(2, 4))
    ]
    assert sum(parts) != pytest.approx(whole, rel=0.1)


def test_a_linear_network_under_a_linear_loss_scores_zero() -> None:
    network = torch.nn.Linear(3, 2)
    found = zcproxy.score(
        network, torch.randn(4, 3), None, ["grasp"], loss=lambda output, _: output.mean()
    )
    assert found["grasp"] == 0


def test_attention_is_differentiated_twice() -> None:
    class Attending(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = torch.nn.MultiheadAttention(2, 1, batch_first=True)
            self.head = torch.nn.Linear(2, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            attended = self.attention(x, x, x, need_weights=False)[0]
            out: torch.Tensor = self.head(attended.mean(1))
            return out

    torch.manual_seed(0)
    network, x, y = Attending().double(), torch.randn(4, 3, 2).double(), torch.tensor([0, 1, 2, 0])
    names = ["attention.in_proj_weight", "attention.out_proj.weight", "head.weight"]
    weights = [network.get_parameter(n).detach() for n in names]

    def gradient(values: list[torch.Tensor]) -> list[torch.Tensor]:
        leaves = [v.clone().requires_grad_() for v in values]
        output = torch.func.functional_call(network, dict(zip(names, leaves, strict=True)), (x,))
        loss = torch.nn.functional.cross_entropy(output, y)
        return [g.detach() for g in torch.autograd.grad(loss, leaves)]

    step = 1e-5  # H W by central differences along W
    ahead = gradient([w * (1 + step) for w in weights])
    back = gradient([w * (1 - step) for w in weights])
    products = [(a - b) / (2 * step) for a, b in zip(ahead, back, strict=True)]
    here = gradient(weights)
    expected = -sum(float((g * p).sum()) for g, p in zip(here, products, strict=True))
    assert zcproxy.score(network, x, y, ["grasp"])["grasp"] == pytest.approx(expected, rel=1e-6)
