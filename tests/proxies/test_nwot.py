"""NASWOT against loops over pairs of images and units."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import zcproxy
from zcproxy.errors import MeasureError


def slow_kernel(patterns: list[Tensor]) -> np.ndarray:
    """K_ij = number of units equally on or off, one unit at a time."""
    n = len(patterns[0])
    kernel = np.zeros((n, n))
    for pattern in patterns:
        on = pattern.reshape(n, -1).tolist()
        for i in range(n):
            for j in range(n):
                kernel[i, j] += sum(a == b for a, b in zip(on[i], on[j], strict=True))
    return kernel


def log_determinant(kernel: np.ndarray) -> float:
    sign, value = np.linalg.slogdet(kernel)
    assert sign == 1
    return float(value)


def relu_patterns(network: nn.Module, inputs: Tensor) -> list[Tensor]:
    patterns: list[Tensor] = []
    handles = [
        m.register_forward_pre_hook(lambda _, args: patterns.append(args[0] > 0))
        for m in network.modules()
        if isinstance(m, nn.ReLU)
    ]
    network(inputs)
    for handle in handles:
        handle.remove()
    return patterns


def nwot(network: nn.Module, inputs: Any, classes: int = 3) -> float:
    n = len(inputs if isinstance(inputs, Tensor) else inputs[0])
    return zcproxy.score(network, inputs, torch.arange(n) % classes, ["nwot"])["nwot"]


@pytest.mark.parametrize("protocol", ["clean", "abdelfattah2021"])
def test_the_definition(case: Any, protocol: str) -> None:
    images = slice(0, 2 if case.name == "mlp" else 5)  # eleven units tell too few apart
    inputs, targets = case.inputs[images], case.targets[images]
    expected = log_determinant(slow_kernel(relu_patterns(case.network, inputs)))
    found = zcproxy.score(case.network, inputs, targets, ["nwot"], protocol)["nwot"]
    assert found == pytest.approx(expected, rel=1e-9)
    assert found * 1.01 != pytest.approx(expected, rel=1e-9)


class Activated(nn.Module):
    """One layer, one activation, one layer; keeps what enters the activation."""

    def __init__(self, activation: Callable[[Tensor], Tensor], units: int = 12) -> None:
        super().__init__()
        self.first, self.last, self.activation = (
            nn.Linear(4, units),
            nn.Linear(units, 3),
            activation,
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        self.entered = y.detach().clone()
        out: Tensor = self.last(self.activation(y))
        return out


ACTIVATIONS: list[tuple[str, Callable[[Tensor], Tensor], tuple[float, ...]]] = [
    ("F.relu", F.relu, (0.0,)),
    ("F.relu in place", lambda x: F.relu(x, inplace=True), (0.0,)),
    ("F.relu by name", lambda x: F.relu(input=x), (0.0,)),
    ("torch.relu", torch.relu, (0.0,)),
    ("method", lambda x: x.relu(), (0.0,)),
    ("method in place", lambda x: x.relu_(), (0.0,)),
    ("clamp", lambda x: x.clamp(min=0), (0.0,)),
    ("clamp both", lambda x: torch.clamp(x, -0.2, 0.3), (-0.2, 0.3)),
    ("clamp_min", lambda x: x.clamp_min(0.1), (0.1,)),
    ("relu6", lambda x: F.relu6(x * 10), (0.0, 6.0)),
    ("module relu6", nn.ReLU6(), (0.0, 6.0)),
    ("leaky", nn.LeakyReLU(0.1), (0.0,)),
    ("leaky in place", lambda x: F.leaky_relu_(x, 0.1), (0.0,)),
    ("prelu", nn.PReLU(), (0.0,)),
    ("rrelu", nn.RReLU(), (0.0,)),
    ("hardtanh", nn.Hardtanh(-0.3, 0.2), (-0.3, 0.2)),
    ("hardtanh default", F.hardtanh, (-1.0, 1.0)),
    ("hardswish", nn.Hardswish(), (-3.0, 3.0)),
    ("threshold", nn.Threshold(0.15, 0.0), (0.15,)),
]


@pytest.mark.parametrize(
    ("name", "activation", "kinks"), ACTIVATIONS, ids=[a[0] for a in ACTIVATIONS]
)
def test_every_piecewise_activation_is_seen(
    name: str, activation: Callable[[Tensor], Tensor], kinks: tuple[float, ...]
) -> None:
    torch.manual_seed(0)
    network, inputs = Activated(activation).double(), torch.randn(4, 4).double() * 6
    found = nwot(network, inputs)
    network(inputs)
    entered = network.entered * (10 if name == "relu6" else 1)
    expected = log_determinant(slow_kernel([entered > kink for kink in kinks]))
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "activation", [F.gelu, F.silu, torch.tanh, F.elu], ids=lambda f: f.__name__
)
def test_smooth_activations_have_no_pattern(activation: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(MeasureError, match="no ReLU") as caught:
        nwot(Activated(activation), torch.randn(4, 4))
    assert caught.value.kind == "not_applicable"


def test_dead_branches_do_not_count() -> None:
    class Dead(Activated):
        def forward(self, x: Tensor) -> Tensor:
            F.relu(self.first(x) * -7 + 1)  # goes nowhere
            with torch.no_grad():
                F.relu(self.first(x) - 3)
            F.relu(x)  # goes nowhere either
            return super().forward(x)

    torch.manual_seed(0)
    alive, inputs = Activated(F.relu).double(), torch.randn(4, 4).double()
    dead = Dead(F.relu).double()
    dead.load_state_dict(alive.state_dict())
    assert nwot(dead, inputs) == nwot(alive, inputs)


def test_a_branch_times_zero_is_reached_and_counts() -> None:
    """A known limit: the backward pass reaches what is multiplied by zero."""

    class Zeroed(Activated):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + 0 * F.relu(x).sum(1, keepdim=True)

    torch.manual_seed(0)
    alive, inputs = Activated(F.relu).double(), torch.randn(4, 4).double()
    zeroed = Zeroed(F.relu).double()
    zeroed.load_state_dict(alive.state_dict())
    expected = log_determinant(slow_kernel([alive.first(inputs) > 0, inputs > 0]))
    assert nwot(zeroed, inputs) == pytest.approx(expected)
    assert nwot(zeroed, inputs) != pytest.approx(nwot(alive, inputs))


def with_patterns(rows: list[list[int]]) -> tuple[nn.Module, Tensor]:
    """A network whose units are on exactly as given, one row per image."""
    network = nn.Sequential(nn.Identity(), nn.ReLU(), nn.Linear(len(rows[0]), 3))
    return network, torch.tensor(rows, dtype=torch.float32) * 2 - 1


def test_by_hand() -> None:
    network, inputs = with_patterns([[1, 0, 1], [1, 1, 1]])
    assert nwot(network, inputs) == pytest.approx(math.log(3 * 3 - 2 * 2))


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 0, 1], [1, 0, 1]],
        [[0, 0], [0, 1], [1, 0], [1, 1]],  # no two are equal, K is singular all the same
        [[1, 0, 0, 1, 0, 1, 1]] * 3 + [[0, 1, 0, 1, 0, 1, 1]],
        [[1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 1], [1, 1, 1]],
    ],
)
def test_a_singular_kernel_is_degenerate(rows: list[list[int]]) -> None:
    network, inputs = with_patterns(rows)
    with pytest.raises(MeasureError) as caught:
        nwot(network, inputs)
    assert caught.value.kind == "degenerate"


def test_zero_is_off() -> None:
    network = nn.Sequential(nn.Identity(), nn.ReLU(), nn.Linear(2, 3))
    found = nwot(network, torch.tensor([[0.0, 1.0], [-1.0, -1.0]]))
    assert found == pytest.approx(math.log(2 * 2 - 1))


def test_one_image_agrees_with_itself_in_every_unit() -> None:
    assert nwot(Activated(F.relu, units=12), torch.randn(1, 4)) == pytest.approx(math.log(12))


def test_counts_are_exact_in_half_precision() -> None:
    """Twice 2,000 units would be rounded if the counts were kept in bfloat16."""
    torch.manual_seed(0)
    inputs = torch.randn(3, 2000).sign()
    network = nn.Sequential(nn.Identity(), nn.ReLU(), nn.Linear(2000, 3))
    expected = log_determinant(slow_kernel([inputs > 0]))
    found = nwot(network.bfloat16(), inputs.bfloat16())
    assert found == pytest.approx(expected, rel=1e-12)


def test_what_is_not_a_number_is_not_on() -> None:
    network = nn.Sequential(nn.Identity(), nn.ReLU(), nn.Linear(3, 3))
    inputs = torch.tensor([[1.0, float("nan"), 1.0], [1.0, -1.0, -1.0]])
    assert nwot(network, inputs) == pytest.approx(math.log(3 * 3 - 2 * 2))


def test_a_disconnected_network_is_said_to_be() -> None:
    class Biases(Activated):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(torch.zeros_like(x))

    with pytest.raises(MeasureError) as caught:
        nwot(Biases(F.relu), torch.randn(4, 4))
    assert caught.value.kind == "disconnected"


def test_rows_that_are_not_images_are_refused() -> None:
    network = nn.Sequential(
        nn.Flatten(0, 1), nn.ReLU(), nn.Unflatten(0, (4, 2)), nn.Flatten(), nn.Linear(6, 3)
    )
    with pytest.raises(MeasureError, match="8 rows for 4 images") as caught:
        nwot(network, torch.randn(4, 2, 3))
    assert caught.value.kind == "not_applicable"


def test_channels_last_memory_changes_nothing() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 3)).double()
    inputs = torch.randn(4, 2, 5, 5).double()
    expected = log_determinant(slow_kernel([network[0](inputs) > 0]))
    for layout in (torch.contiguous_format, torch.channels_last):
        moved = network.to(memory_format=layout)
        assert nwot(moved, inputs.to(memory_format=layout)) == pytest.approx(expected, rel=1e-12)
