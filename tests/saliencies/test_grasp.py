"""GraSP of every weight, w * (H g), against the explicit Hessian."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zcproxy
from zcproxy.errors import MeasureError


def expected(case: Any) -> Tensor:
    gradient = torch.cat([g.flatten() for g in case.gradient().values()])
    weights = torch.cat([w.flatten() for w in case.weights.values()])
    return weights * (case.hessian() @ gradient)


def flat(saliency: dict[str, Tensor]) -> Tensor:
    return torch.cat([s.flatten() for s in saliency.values()])


def test_it_is_weight_times_hessian_times_gradient(case: Any) -> None:
    oracle = expected(case)
    found = flat(zcproxy.saliency(case.network, case.inputs, case.targets, "grasp"))
    torch.testing.assert_close(found, oracle, rtol=1e-5, atol=1e-8)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(found * 1.01, oracle, rtol=1e-5, atol=1e-8)


def test_the_hessian_itself_agrees_with_differences_of_gradients(case: Any) -> None:
    """The oracle's oracle: torch's second derivatives against central differences."""
    names, direction = list(case.weights), torch.Generator().manual_seed(0)
    steps = {
        n: torch.randn(w.shape, generator=direction, dtype=w.dtype) for n, w in case.weights.items()
    }

    def gradient(step: float) -> Tensor:
        moved = {n: (w + step * steps[n]).requires_grad_() for n, w in case.weights.items()}
        grads = torch.autograd.grad(case.loss(moved), [moved[n] for n in names])
        return torch.cat([g.flatten() for g in grads])

    difference = (gradient(1e-6) - gradient(-1e-6)) / 2e-6
    product = case.hessian() @ torch.cat([steps[n].flatten() for n in names])
    torch.testing.assert_close(product, difference, rtol=1e-4, atol=1e-7)


def test_higher_is_keep_removing_it_costs_gradient_norm() -> None:
    """To first order, scaling a weight by 1 - e changes g'g by -2 e s."""
    torch.manual_seed(0)
    network = nn.Linear(3, 2, bias=False).double()
    x, y = torch.randn(4, 3, dtype=torch.float64), torch.tensor([0, 1, 1, 0])
    scores = zcproxy.saliency(network, x, y, "grasp")["weight"]

    def squared_gradient(weight: Tensor) -> float:
        weight = weight.clone().requires_grad_()
        loss = nn.functional.cross_entropy(x @ weight.T, y)
        return float(torch.autograd.grad(loss, weight)[0].square().sum())

    weight, e = network.weight.detach(), 1e-5
    for i in range(weight.numel()):
        less, more = weight.clone(), weight.clone()
        less.view(-1)[i] *= 1 - e
        more.view(-1)[i] *= 1 + e
        change = (squared_gradient(less) - squared_gradient(more)) / 2
        assert change == pytest.approx(-2 * e * float(scores.view(-1)[i]), rel=1e-5)


def test_a_linear_loss_has_no_curvature() -> None:
    network = nn.Linear(3, 2)
    found = zcproxy.saliency(
        network, torch.randn(4, 3), None, "grasp", loss=lambda output, _: output.mean()
    )
    assert bool((found["weight"] == 0).all())


def test_what_cannot_be_differentiated_twice_is_said() -> None:
    class Slope(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, g: Tensor) -> Tensor:
            return 2 * x * g

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            raise RuntimeError("no derivative of the derivative")

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x.square()

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            slope: Tensor = Slope.apply(*ctx.saved_tensors, g)
            return slope

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.last(Square.apply(self.first(x)))
            return out

    batch = torch.randn(4, 3), torch.tensor([0, 1, 1, 0])
    network = Network()
    with pytest.raises(MeasureError, match="differentiated twice") as caught:
        zcproxy.saliency(network, *batch, "grasp")
    assert caught.value.kind == "not_applicable"
    alone = zcproxy.score(network, *batch, ["snip"])["snip"]
    with pytest.raises(MeasureError) as together:
        zcproxy.score(network, *batch, ["snip", "grasp"])
    assert together.value.scores["snip"] == alone  # type: ignore[attr-defined]
