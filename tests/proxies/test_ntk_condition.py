"""The condition number of the neural tangent kernel against rows of plain autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zcproxy
from zcproxy import spaces
from zcproxy.errors import MeasureError

NOTHING = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def slow_condition(network: nn.Module, inputs: Tensor, training: bool = True) -> float:
    """Ratio of squared singular values of the Jacobian of every image's summed outputs."""
    network.train(training)
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    output = network(inputs)
    rows = []
    for n in range(len(inputs)):
        gradients = torch.autograd.grad(output[n].sum(), weights, retain_graph=True)
        rows.append(np.concatenate([g.numpy().ravel() for g in gradients]))
    values = np.linalg.svd(np.stack(rows), compute_uv=False)
    return float((values[0] / values[-1]) ** 2)


def condition(network: nn.Module, inputs: Any, protocol: str = "clean") -> float:
    targets = torch.zeros(len(inputs), dtype=torch.int64)
    return zcproxy.score(network, inputs, targets, ["ntk_condition"], protocol)["ntk_condition"]


@pytest.mark.parametrize("protocol", ["clean", "abdelfattah2021", "tanaka2020"])
def test_the_definition(case: Any, protocol: str) -> None:
    found = condition(case.network, case.inputs, protocol)
    expected = -slow_condition(case.network, case.inputs, protocol != "tanaka2020")
    assert found == pytest.approx(expected, rel=1e-6)
    assert found * 1.01 != pytest.approx(expected, rel=1e-6)


def test_a_cell_network_and_the_first_images_only() -> None:
    space = spaces.get("digits201")
    network = space.network(space.architectures()[2000], live=True).double()
    inputs = torch.randn(20, 1, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    expected = -slow_condition(network, inputs[:16])
    assert condition(network, inputs) == pytest.approx(expected, rel=1e-6)
    assert expected != pytest.approx(-slow_condition(network, inputs), rel=1e-3)


def test_orthogonal_images_of_a_linear_network_are_perfect() -> None:
    network = nn.Linear(4, 3, bias=False).double()
    inputs = torch.eye(4).double()
    assert condition(network, inputs) == pytest.approx(-1)
    inputs[0] *= 3
    assert condition(network, inputs) == pytest.approx(-9)


def test_scale_and_order_do_not_matter(case: Any) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = case.network

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = 5 * self.inner(x)
            return out

    found = condition(case.network, case.inputs)
    assert condition(Scaled(), case.inputs) == pytest.approx(found, rel=1e-6)
    assert condition(case.network, case.inputs.flip(0)) == pytest.approx(found, rel=1e-6)


def failure(network: nn.Module, inputs: Any) -> MeasureError:
    with pytest.raises(MeasureError) as caught:
        condition(network, inputs)
    return caught.value


def test_equal_images_are_degenerate() -> None:
    assert failure(nn.Linear(4, 3).double(), torch.ones(3, 4).double()).kind == "degenerate"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("normed", [True, False])
def test_equal_images_are_degenerate_whatever_rounding_leaves(
    dtype: torch.dtype, normed: bool
) -> None:
    """And images that are nearly equal are measured, as far as float32's gradients tell."""
    for seed in range(4):
        torch.manual_seed(seed)
        layers = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()]
        layers += [nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()]
        kept = [m for m in layers if normed or not isinstance(m, nn.BatchNorm2d)]
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)]
        network = nn.Sequential(*kept, *head).to(dtype)
        inputs = torch.randn(12, 3, 12, 12, dtype=dtype)
        inputs[3] = inputs[5]
        assert failure(network, inputs).kind == "degenerate"
        inputs[3] += 1e-3 * torch.randn(3, 12, 12, dtype=dtype)
        exact = slow_condition(network.double(), inputs.double())
        assert exact > 1e4
        assert condition(network.to(dtype), inputs) == pytest.approx(-exact, rel=1e-2)


def test_one_image_has_no_condition() -> None:
    error = failure(nn.Linear(4, 3), torch.ones(1, 4))
    assert (error.kind, "two images" in str(error)) == ("not_applicable", True)


def test_a_network_without_a_path() -> None:
    network = spaces.get("digits201").network(NOTHING, live=True)
    assert failure(network, torch.randn(4, 1, 8, 8)).kind == "disconnected"


def test_outputs_that_are_not_one_row_per_image() -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.Flatten(0))
    with pytest.raises(MeasureError, match="not one row per image") as caught:
        zcproxy.score(
            network,
            torch.randn(4, 4),
            torch.zeros(12),
            ["ntk_condition"],
            loss=lambda y, t: y.sum(),
        )
    assert caught.value.kind == "not_applicable"


def test_values_that_are_not_finite() -> None:
    assert failure(nn.Linear(4, 3), torch.full((3, 4), float("nan"))).kind == "nonfinite"


def test_inputs_of_integers_are_measured() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 3))
    assert condition(network, torch.randint(0, 9, (4, 3))) <= -1
