"""Expressivity against np.cov and a sum over eigenvalues, block by block."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zcproxy
from zcproxy import spaces
from zcproxy.errors import MeasureError
from zcproxy.networks import CellNetwork

NAMES = ("az_expressivity", "az_progressivity")
CELL = (
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|avg_pool_3x3~0|skip_connect~1|nor_conv_1x1~2|"
)


def slow_entropy(features: Tensor) -> float:
    """Entropy of the normalized eigenvalues of the channels' covariance."""
    rows = features.detach().double().transpose(0, 1).flatten(1).numpy()
    values = np.linalg.eigvalsh(np.atleast_2d(np.cov(rows)))
    shares = [float(v) / float(values.sum()) for v in values if v > 1e-12]
    return -sum(p * math.log(p) for p in shares)


def maps_of(network: nn.Module, inputs: Tensor, first: nn.Module, blocks: Any) -> list[Tensor]:
    """What `first` and every block give out, in training mode."""
    found: list[Tensor] = []
    handles = [
        m.register_forward_hook(lambda _m, _a, y: found.append(y.clone())) for m in (first, *blocks)
    ]
    network.train()(inputs.clone())
    for handle in handles:
        handle.remove()
    return found


def cell_network() -> tuple[CellNetwork, Tensor]:
    blueprint = spaces.get("digits201").blueprint(CELL)
    generator = torch.Generator().manual_seed(0)
    shape = (5, blueprint.in_channels, blueprint.image, blueprint.image)
    return CellNetwork(blueprint).double(), torch.randn(shape, generator=generator).double()


def expected_values(network: CellNetwork, inputs: Tensor) -> dict[str, float]:
    maps = maps_of(network, inputs, network.stem, network.blocks)
    entropies = [slow_entropy(values) for values in maps]
    steps = [b - a for a, b in itertools.pairwise(entropies)]
    assert len(entropies) == 9  # the stem, 6 cells, 2 reductions
    return dict(zip(NAMES, (sum(entropies), min(steps)), strict=True))


def score(network: nn.Module, inputs: Any) -> dict[str, float]:
    return zcproxy.score(network, inputs, torch.arange(len(inputs)) % 3, list(NAMES))


def test_the_definition() -> None:
    network, inputs = cell_network()
    found, expected = score(network, inputs), expected_values(network, inputs)
    for name in NAMES:
        assert found[name] == pytest.approx(expected[name], rel=1e-7)
        assert found[name] * 1.01 != pytest.approx(expected[name], rel=1e-7)


class Scaled(nn.Module):
    """A block of one 1 x 1 convolution."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.conv = nn.Conv2d(weight.shape[1], len(weight), 1, bias=False).double()
        self.conv.weight.data = weight[:, :, None, None].double()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class Chain(nn.Sequential):
    """Blocks, then the mean over positions."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = super().forward(x).mean((2, 3))
        return out


def white() -> Tensor:
    """A batch whose two channels have equal variance and no covariance."""
    one = torch.tensor([1.0, 1.0, -1.0, -1.0]).view(1, 1, 2, 2)
    other = torch.tensor([1.0, -1.0, 1.0, -1.0]).view(1, 1, 2, 2)
    return torch.cat([one, other], 1).double().repeat(3, 1, 1, 1)


def test_by_hand() -> None:
    """Variances 1, 1 then 9, 1 then one channel that is the sum of both, twice."""
    stretched = Scaled(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    alike = Scaled(torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]))
    found = score(Chain(stretched, alike), white())
    entropies = [math.log(2), -0.9 * math.log(0.9) - 0.1 * math.log(0.1), 0.0]
    assert found["az_expressivity"] == pytest.approx(sum(entropies), abs=1e-12)
    steps = [entropies[1] - entropies[0], entropies[2] - entropies[1]]
    assert found["az_progressivity"] == pytest.approx(min(steps), abs=1e-12)


def test_rotations_and_scales_of_features_play_no_part() -> None:
    turned = torch.tensor([[0.6, 0.8], [-0.8, 0.6]], dtype=torch.float64)
    weight = torch.tensor([[3.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    one, other = (score(Chain(Scaled(w)), white()) for w in (weight, turned @ weight * 2))
    assert other == pytest.approx(one, rel=1e-9)


def test_failures_are_typed(case: Any) -> None:
    constant = Chain(Scaled(torch.zeros(2, 2)), Scaled(torch.eye(2)))
    infinite = Chain(Scaled(torch.eye(2) * 1e200), Scaled(torch.eye(2) * 1e200))
    disconnected = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|none~2|"
    cut = CellNetwork(spaces.get("digits201").blueprint(disconnected)).double()
    for network, inputs, kind in (
        (case.network, case.inputs, "not_applicable"),
        (constant, white(), "degenerate"),
        (infinite, white(), "nonfinite"),
        (cut, torch.randn(3, 1, 8, 8).double(), "disconnected"),
    ):
        for name in (*NAMES, *(["az_trainability"] if kind == "not_applicable" else [])):
            with pytest.raises(MeasureError) as caught:
                zcproxy.score(network, inputs, torch.arange(len(inputs)) % 3, [name])
            assert caught.value.kind == kind


@pytest.mark.parametrize("value", [0.1, -0.7, 0.3, 1e6])
def test_constants_that_rounding_varies_are_degenerate(value: float) -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x * 0 + value)

    network = Chain(Constant(), Scaled(torch.eye(2)))
    for kind in (torch.float64, torch.float32):
        with pytest.raises(MeasureError) as caught:
            score(network.to(kind), white().to(kind))
        assert caught.value.kind == "degenerate"
