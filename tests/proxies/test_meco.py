"""MeCo against np.corrcoef and np.linalg.eigvals, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import zcproxy
from zcproxy import spaces
from zcproxy.errors import MeasureError
from zcproxy.networks import CellNetwork

CELL = (
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|avg_pool_3x3~0|skip_connect~1|nor_conv_1x1~2|"
)


def smallest(channels: Tensor) -> float:
    """The smallest eigenvalue of the correlations; 0 with a constant channel."""
    rows = channels.detach().flatten(1).double().numpy()
    if rows.shape[1] < 2 or bool((np.ptp(rows, axis=1) == 0).any()):
        return 0.0
    return float(np.linalg.eigvals(np.corrcoef(rows)).real.min())


def score(network: nn.Module, inputs: Any, name: str = "meco", seed: int = 0) -> float:
    return zcproxy.score(network, inputs, torch.arange(len(inputs)) % 3, [name], seed=seed)[name]


def images_of(network: nn.Module) -> list[Tensor]:
    """What the network will be run on."""
    seen: list[Tensor] = []
    network.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().clone()))
    return seen


def maps_of(network: nn.Module, image: Tensor) -> list[Tensor]:
    """What single layers give for one image, in training mode: all modules without children."""
    found: list[Tensor] = []
    handles = [
        m.register_forward_hook(lambda _m, _a, y: found.append(y[0].clone()))
        for m in network.modules()
        if not list(m.children()) and not isinstance(m, nn.Flatten | nn.Linear)
    ]
    network.train()(image)
    for handle in handles:
        handle.remove()
    return found


def test_the_definition(case: Any) -> None:
    if case.name == "mlp":
        with pytest.raises(MeasureError, match="several positions") as caught:
            score(case.network, case.inputs)
        assert caught.value.kind == "not_applicable"
        return
    seen = images_of(case.network)
    found = score(case.network, case.inputs)
    image = seen[0]
    assert image.shape == (1, *case.inputs.shape[1:])
    expected = sum(smallest(values) for values in maps_of(case.network, image))
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert found > 0.01
    assert found * 1.01 != pytest.approx(expected, rel=1e-6)


def test_the_definition_on_a_cell_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poolings are functions there, so functions are watched, too."""
    network = CellNetwork(spaces.get("digits201").blueprint(CELL)).double()
    seen = images_of(network)
    found = score(network, torch.randn(3, 1, 8, 8).double())
    pooled: list[Tensor] = []
    original = F.avg_pool2d

    def pool(*args: Any, **kwargs: Any) -> Tensor:
        result: Tensor = original(*args, **kwargs)
        pooled.append(result[0].clone())
        return result

    monkeypatch.setattr(F, "avg_pool2d", pool)
    with torch.no_grad():
        maps = maps_of(network, seen[0])
    modules = sum(isinstance(m, nn.AvgPool2d) for m in network.modules())
    assert len(pooled) == modules + 6  # those of modules are in `maps`, too
    expected = sum(smallest(values) for values in maps)
    in_modules = [v for v in pooled if any(v.shape == m.shape and v.equal(m) for m in maps)]
    expected += sum(smallest(v) for v in pooled) - sum(smallest(v) for v in in_modules)
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_image_is_noise_by_the_seed() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 64**2, 3))
    seen = images_of(network)
    inputs = torch.full((4, 2, 66, 66), 7.0)
    first = score(network, inputs)
    assert score(network, inputs + 1) == first
    assert score(network, inputs, seed=1) != first
    assert float(seen[0].mean()) == pytest.approx(0, abs=0.05)
    assert float(seen[0].std()) == pytest.approx(1, abs=0.05)


def test_more_channels_than_positions_count_nothing() -> None:
    """Correlations of n positions have at most n - 1 eigenvalues above zero."""
    torch.manual_seed(0)
    for channels, positions in ((8, 3), (9, 3), (10, 3)):
        network = nn.Sequential(
            nn.Conv2d(2, channels, 3), nn.Flatten(), nn.Linear(channels * positions**2, 3)
        ).double()
        inputs = torch.randn(3, 2, 5, 5).double()
        assert score(network, inputs, "meco_opt") > 1e-6  # on 8 channels
        if channels < 9:
            assert score(network, inputs) > 1e-6
            continue
        with pytest.raises(MeasureError, match="more positions than channels") as caught:
            score(network, inputs)
        assert caught.value.kind == "not_applicable"


def test_a_constant_channel_makes_a_layer_count_nothing() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3)).double()
    with torch.no_grad():
        network[0].bias[1] = -1e3
    seen = images_of(network)
    found = score(network, torch.randn(3, 2, 6, 6).double())
    convolved, rectified = maps_of(network, seen[0])
    assert smallest(rectified) == 0
    assert found == pytest.approx(smallest(convolved), rel=1e-6)


def test_equal_channels_have_no_smallest_eigenvalue() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(48, 3)).double()
    with torch.no_grad():
        network[0].weight[1] = network[0].weight[0]
    assert score(network, torch.randn(3, 2, 6, 6).double()) == pytest.approx(0, abs=1e-12)


def test_scale_and_shift_of_channels_play_no_part() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(48, 3)).double()
    inputs = torch.randn(3, 2, 6, 6).double()
    expected = score(network, inputs)
    with torch.no_grad():
        network[0].weight.mul_(torch.tensor([3.0, -2.0, 0.1]).view(3, 1, 1, 1))
        network[0].bias.add_(5)
    assert score(network, inputs) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["meco", "meco_opt"])
def test_failures_are_typed(name: str) -> None:
    convolution = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(48, 3))
    rows = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.BatchNorm1d(48), nn.Linear(48, 3))
    words = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 3))
    disconnected = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|none~2|"
    cut = CellNetwork(spaces.get("digits201").blueprint(disconnected))
    infinite = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(48, 3))
    with torch.no_grad():
        infinite[0].weight.fill_(3e38)
    images, tokens = torch.randn(3, 2, 6, 6), torch.zeros(3, 2, dtype=torch.int64)
    score(convolution, images, name)
    for network, inputs, kind in (
        (rows, images, "not_applicable"),
        (words, tokens, "not_applicable"),
        (cut, torch.randn(3, 1, 8, 8), "disconnected"),
        (infinite, images, "nonfinite"),
    ):
        with pytest.raises(MeasureError) as caught:
            score(network, inputs, name)
        assert caught.value.kind == kind


class Mixer(nn.Module):
    """Layers of pixels: with channels first or last, as maps or as tokens."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layout = layout
        self.patches, self.depthwise = nn.Conv2d(2, 6, 2, 2), nn.Conv2d(6, 6, 3, 1, 1, groups=6)
        self.first, self.second, self.head = nn.Linear(6, 9), nn.Linear(9, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x)
        x = x + self.depthwise(x)
        mixed: Tensor = getattr(self, self.layout)(x)
        out: Tensor = self.head(torch.relu(x + mixed).mean((2, 3)))
        return out

    def first_axis(self, x: Tensor) -> Tensor:
        seconds = [self.second.weight[:, :, None, None], self.second.bias]
        x = F.conv2d(x, self.first.weight[:, :, None, None], self.first.bias)
        return F.group_norm(F.conv2d(F.gelu(x), *seconds), 1)

    def last_axis(self, x: Tensor) -> Tensor:
        y = self.second(F.gelu(self.first(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)
        return F.group_norm(y, 1)

    def tokens(self, x: Tensor) -> Tensor:
        y = self.second(F.gelu(self.first(x.flatten(2).transpose(1, 2))))
        return F.group_norm(y.transpose(1, 2).reshape(x.shape), 1)

    def sequence_first(self, x: Tensor) -> Tensor:
        y = self.second(F.gelu(self.first(x.flatten(2).permute(2, 0, 1))))
        return F.group_norm(y.permute(1, 2, 0).reshape(x.shape), 1)

    def windows(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        y = x.view(n, c, 2, h // 2, w).permute(0, 2, 3, 4, 1).reshape(2 * n, h * w // 2, c)
        y = self.second(F.gelu(self.first(y))).view(n, 2, h // 2, w, c)
        return F.group_norm(y.permute(0, 4, 1, 2, 3).reshape(x.shape), 1)


@pytest.mark.parametrize("name", ["meco", "meco_opt"])
def test_where_channels_lie_plays_no_part(name: str) -> None:
    inputs = torch.randn(3, 2, 12, 12).double()
    layouts = ("first_axis", "last_axis", "tokens", "sequence_first", "windows")
    expected, *found = (score(Mixer(layout).double(), inputs, name) for layout in layouts)
    assert found == pytest.approx([expected] * 4, rel=1e-9)


def test_the_definition_with_channels_last() -> None:
    torch.manual_seed(0)
    first, norm, last = nn.Linear(3, 5), nn.LayerNorm(5), nn.Linear(5, 3)

    class Pixels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([first, norm, last])

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = last(F.silu(norm(first(x) ** 3)).mean((1, 2)))
            return out

    network = Pixels().double()
    seen = images_of(network)
    found = score(network, torch.randn(3, 6, 6, 3).double())
    y = first(seen[0])
    z = norm(y**3)
    expected = sum(smallest(values[0].permute(2, 0, 1)) for values in (y, z, F.silu(z)))
    assert found == pytest.approx(expected, rel=1e-6)
    assert found > 0.001


def test_attention_by_hand_is_not_applicable_when_tokens_are_wide() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.all, self.head = nn.Linear(16, 48), nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.all(x).chunk(3, -1)
            out: Tensor = self.head((x + torch.softmax(q @ k.mT, -1) @ v).mean(1))
            return out

    with pytest.raises(MeasureError, match="more positions than channels") as caught:
        score(Attention(), torch.randn(3, 16, 16))
    assert caught.value.kind == "not_applicable"
    assert score(Attention(), torch.randn(3, 99, 16)) > 0


class Branching(nn.Module):
    """A network that also runs what it does not use."""

    def __init__(self, used: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(2, 12, 3), nn.BatchNorm2d(12), nn.ReLU())
        self.head, self.used = nn.Linear(12, 3), used
        self.dead = nn.Sequential(nn.Conv2d(2, 12, 3), nn.ReLU(), nn.Conv2d(12, 10, 1))

    def forward(self, x: Tensor) -> Tensor:
        if not self.used:
            self.dead(x)
        out: Tensor = self.head(self.body(x).mean((2, 3)))
        return out


@pytest.mark.parametrize("name", ["meco", "meco_opt"])
def test_what_the_output_does_not_depend_on_counts_nothing(name: str) -> None:
    inputs = torch.randn(3, 2, 8, 8)
    expected = score(Branching(True), inputs, name)
    assert score(Branching(False), inputs, name) == expected


@pytest.mark.parametrize("name", ["meco", "meco_opt"])
def test_the_default_type_of_the_process_plays_no_part(name: str) -> None:
    network, inputs = Branching(True), torch.randn(3, 2, 8, 8)
    expected = score(network, inputs, name)
    torch.set_default_dtype(torch.float64)
    try:
        assert score(network, inputs, name) == expected
    finally:
        torch.set_default_dtype(torch.float32)
