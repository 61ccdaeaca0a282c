"""Linear regions against sets of tuples, one image at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zcproxy
from zcproxy import spaces
from zcproxy.errors import MeasureError
from zcproxy.networks import CellNetwork
from zcproxy.proxies import linear_regions as module  # the file, as nothing else has its name

CELL = (
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|avg_pool_3x3~0|skip_connect~1|nor_conv_1x1~2|"
)
SKIP = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"


def slow_regions(network: nn.Module, inputs: Tensor) -> int:
    """How many images differ in what enters any ReLU being above zero, in training mode."""
    found: list[Tensor] = []
    handles = [
        m.register_forward_pre_hook(lambda _, args: found.append((args[0] > 0).flatten(1)))
        for m in network.modules()
        if isinstance(m, nn.ReLU)
    ]
    network.train()(inputs.clone())
    for handle in handles:
        handle.remove()
    return len({tuple(image) for image in torch.cat(found, 1).tolist()})


def regions(network: nn.Module, inputs: Any, seed: int = 0) -> float:
    targets = torch.arange(len(inputs)) % 3
    names = ["linear_regions"]
    return zcproxy.score(network, inputs, targets, names, seed=seed)["linear_regions"]


def test_the_definition_on_networks_as_they_are(case: Any) -> None:
    inputs = torch.cat([case.inputs * 1e-3, case.inputs[:2] * 1e-3, case.inputs])
    expected = slow_regions(case.network, inputs)
    assert regions(case.network, inputs) == expected
    assert 1 < expected < len(inputs)


def narrow(units: int = 2) -> nn.Module:
    """A network that puts its input into one of a few regions."""
    network = nn.Sequential(nn.Linear(1, units), nn.ReLU(), nn.Linear(units, 3))
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        network[0].bias.copy_(-torch.arange(units))
    return network


@pytest.mark.parametrize("images", [5, 64, 200])
def test_by_hand(images: int) -> None:
    inputs = torch.linspace(-1, 2, images)[:, None]
    assert regions(narrow(), inputs) == 3
    assert regions(narrow(), inputs[:1]) == 1


class Watched(CellNetwork):
    """A cell network that remembers itself and what it runs on."""

    made: list[Watched]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seen: list[Tensor] = []
        Watched.made.append(self)

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach().clone())
        return super().forward(images)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Watched]:
    import importlib

    Watched.made = []
    monkeypatch.setattr(importlib.import_module(module.__name__), "CellNetwork", Watched)
    return Watched.made


def images_for(network: CellNetwork, n: int = 100) -> Tensor:
    blueprint = network.blueprint
    shape = (n, blueprint.in_channels, blueprint.image, blueprint.image)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("space", ["digits201", "nasbench201"])
def test_the_definition_on_thin_cell_networks(space: str, watched: list[Watched]) -> None:
    network = CellNetwork(spaces.get(space).blueprint(CELL))
    inputs = images_for(network)
    found = regions(network, inputs)
    (thin,) = watched
    (crops,) = thin.seen
    assert crops.shape == (3000, 1, 3, 3)
    assert found == slow_regions(thin, crops)
    assert 300 < found < 3000
    assert thin.blueprint.widths == (1, 2, 4)
    assert thin.blueprint.cells == 1
    assert thin.blueprint.cell == network.blueprint.cell
    windows = inputs.unfold(2, 3, 1).unfold(3, 3, 1).reshape(-1, 9)
    there = {tuple(window) for window in windows.tolist()}
    drawn = {tuple(crop) for crop in crops.flatten(1).tolist()}
    assert drawn <= there
    assert len(drawn) > min(len(there), 3000) / 2


def test_thin_networks_have_kaimings_weights(watched: list[Watched]) -> None:
    found = []
    for seed in range(60):
        network = CellNetwork(spaces.get("digits201").blueprint(CELL))
        regions(network, images_for(network), seed)
        weight = watched[-1].blocks[-1].convolutions[0][1].weight
        found.append(weight.detach().flatten())
    values = torch.cat(found)
    assert float(values.std()) == pytest.approx((2 / weight[0].numel()) ** 0.5, rel=0.1)


def test_more_operations_make_more_regions() -> None:
    made = [CellNetwork(spaces.get("digits201").blueprint(cell)) for cell in (SKIP, CELL)]
    few, many = (regions(network, images_for(network)) for network in made)
    assert few < many


def test_the_networks_weights_and_width_play_no_part_but_the_seed_does() -> None:
    one = CellNetwork(spaces.get("digits201").blueprint(CELL))
    other = CellNetwork(one.blueprint, 5)
    inputs = images_for(one)
    assert regions(one, inputs) == regions(other, inputs)
    assert regions(one, inputs, 1) != regions(one, inputs)


def test_inputs_by_name_are_the_same_inputs() -> None:
    network = CellNetwork(spaces.get("digits201").blueprint(CELL))
    inputs = images_for(network)
    targets = torch.arange(len(inputs)) % 3
    found = zcproxy.score(network, {"images": inputs}, targets, ["linear_regions"])
    assert found["linear_regions"] == regions(network, inputs)


def test_the_default_type_of_the_process_plays_no_part() -> None:
    network = CellNetwork(spaces.get("digits201").blueprint(CELL))
    inputs = images_for(network)
    expected = regions(network, inputs)
    torch.set_default_dtype(torch.float64)
    try:
        assert regions(network, inputs) == expected
        other = CellNetwork(network.blueprint)
    finally:
        torch.set_default_dtype(torch.float32)
    for p, q in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p.double(), q, rtol=1e-6, atol=0)


def test_failures_are_typed() -> None:
    disconnected = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|none~2|"
    cut = CellNetwork(spaces.get("digits201").blueprint(disconnected))
    smooth = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 3))
    blueprint = replace(spaces.get("digits201").blueprint(SKIP), stages=1)
    small = CellNetwork(blueprint)
    for network, inputs, kind in (
        (cut, images_for(cut), "disconnected"),
        (smooth, torch.randn(3, 2), "not_applicable"),
        (small, torch.randn(3, 1, 2, 2), "not_applicable"),
    ):
        with pytest.raises(MeasureError) as caught:
            regions(network, inputs)
        assert caught.value.kind == kind
