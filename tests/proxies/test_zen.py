"""The Zen-score against NumPy on what a deep copy of the network gives."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zcproxy
from zcproxy import spaces
from zcproxy.errors import MeasureError
from zcproxy.networks import CellNetwork
from zcproxy.proxies.zen import ALPHA, IMAGES

CELL = (
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|avg_pool_3x3~0|skip_connect~1|nor_conv_1x1~2|"
)


class Watched:
    """What a network is run on, and with which parameters, every time it runs."""

    def __init__(self, network: nn.Module) -> None:
        self.runs: list[tuple[Tensor, dict[str, Tensor]]] = []
        network.register_forward_pre_hook(self._note)

    def _note(self, module: nn.Module, args: Any) -> None:
        parameters = {n: p.detach().clone() for n, p in module.named_parameters()}
        self.runs.append((args[0].detach().clone(), parameters))


def zen(network: nn.Module, inputs: Any, seed: int = 0) -> float:
    return zcproxy.score(network, inputs, torch.arange(len(inputs)) % 3, ["zen"], seed=seed)["zen"]


def slow_zen(network: nn.Module, last: str, runs: list[tuple[Tensor, dict[str, Tensor]]]) -> float:
    """From the definition; `last` names the module that gives or takes the last map."""
    other = copy.deepcopy(network).train()
    other._forward_pre_hooks.clear()
    maps: list[np.ndarray] = []
    variances: list[np.ndarray] = []
    modules = dict(other.named_modules())
    if last.startswith("into "):
        modules[last[5:]].register_forward_pre_hook(lambda m, a: maps.append(a[0].numpy()))
    else:
        modules[last].register_forward_hook(lambda m, a, y: maps.append(y.numpy().copy()))

    def scale(module: nn.Module, args: Any) -> None:
        values = args[0].numpy()
        variances.append(np.array([values[:, c].var() for c in range(values.shape[1])]))

    for module in other.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_pre_hook(scale)
    with torch.no_grad():
        for images, parameters in runs:
            for name, p in other.named_parameters():
                p.copy_(parameters[name])
            other(images.clone())
    first, second = maps
    distances = [np.sum(np.abs(a - b)) for a, b in zip(first, second, strict=True)]
    half = len(variances) // 2
    pairs = zip(variances[:half], variances[half:], strict=True)
    return float(np.log(np.mean(distances))) + sum(slow_scale(*pair) for pair in pairs)


def slow_scale(one: np.ndarray, other: np.ndarray) -> float:
    """Log of the root of the mean running variance, after two steps with momentum 0.1."""
    running = np.ones_like(one)
    for variance in (one, other):
        running = 0.9 * running + 0.1 * variance
    return float(np.log(np.sqrt(np.mean(running))))


def cell_network() -> tuple[nn.Module, Tensor]:
    blueprint = spaces.get("digits201").blueprint(CELL)
    generator = torch.Generator().manual_seed(0)
    shape = (4, blueprint.in_channels, blueprint.image, blueprint.image)
    return CellNetwork(blueprint).double(), torch.randn(shape, generator=generator).double()


def test_the_definition(case: Any) -> None:
    if case.name == "mlp":
        with pytest.raises(MeasureError, match="no feature map") as caught:
            zen(case.network, case.inputs)
        assert caught.value.kind == "not_applicable"
        return
    watched = Watched(case.network)
    found = zen(case.network, case.inputs)
    assert len(watched.runs) == 2
    if case.name == "residual":  # its ReLU runs twice, and only the second gives the last map
        both = [slow_residual(*run) for run in watched.runs]
        (first, variances), (second, others) = both
        distance = float((first - second).abs().sum((1, 2, 3)).mean())
        pairs = zip(variances, others, strict=True)
        expected = np.log(distance) + sum(slow_scale(*pair) for pair in pairs)
    else:
        expected = slow_zen(case.network, "4", watched.runs)
    assert found == pytest.approx(expected, rel=1e-9)
    assert found * 1.01 != pytest.approx(expected, rel=1e-9)


def test_the_definition_on_a_cell_network() -> None:
    network, inputs = cell_network()
    watched = Watched(network)
    found = zen(network, inputs)
    assert found == pytest.approx(slow_zen(network, "last", watched.runs), rel=1e-9)


def slow_residual(x: Tensor, p: dict[str, Tensor]) -> tuple[Tensor, list[np.ndarray]]:
    """The last map of the residual case and the variances of its batch norms, written out."""

    def norm(values: Tensor) -> tuple[Tensor, np.ndarray]:
        mean = values.mean((0, 2, 3), keepdim=True)
        variance = (values - mean).square().mean((0, 2, 3), keepdim=True)
        return (values - mean) / (variance + 1e-5).sqrt(), variance.flatten().numpy()

    y, one = norm(torch.conv2d(x, p["stem.weight"], padding=1))
    y = y.clamp(min=0)
    z, two = norm(torch.conv2d(y, p["conv.weight"]))
    return (z + y).clamp(min=0), [one, two]


def test_weights_and_inputs_are_standard_normal() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 64, 3)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 16, 3))
    nn.init.constant_(network[1].weight, 3.0)
    watched = Watched(network)
    zen(network, torch.zeros(8, 3, 8, 8))
    (x, parameters), (moved, same) = watched.runs
    assert x.shape == (IMAGES, 3, 8, 8)
    assert all(torch.equal(parameters[name], same[name]) for name in parameters)
    normal = [x, (moved - x) / ALPHA, parameters["3.weight"], parameters["5.weight"]]
    for values in normal:
        assert float(values.mean()) == pytest.approx(0, abs=0.05)
        assert float(values.std()) == pytest.approx(1, abs=0.05)
    assert bool((parameters["1.weight"] == 1).all())
    biases = ("0.bias", "1.bias", "3.bias", "5.bias")
    assert not any(bool(parameters[name].any()) for name in biases)


def test_neither_the_batch_nor_the_initialization_matters_but_the_seed_does() -> None:
    network, inputs = cell_network()
    other = CellNetwork(network.blueprint, 5).double()  # type: ignore[arg-type]
    assert zen(network, inputs) == zen(other, inputs * 3 + 1)
    assert zen(network, inputs, seed=1) != zen(network, inputs)


def test_batch_norm_in_evaluation_mode_counts_with_what_it_divides_by() -> None:
    """There and here the score is that of the network without batch norm, but for epsilon."""
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)).double()
    norm = nn.BatchNorm2d(3).double()
    norm.running_var.fill_(7.0)  # type: ignore[union-attr]
    normed = nn.Sequential(plain[0], norm, *plain[1:])
    x, y = torch.randn(4, 2, 4, 4).double(), torch.arange(4) % 3
    expected = zcproxy.score(plain, x, y, ["zen"], "tanaka2020")["zen"]
    found = zcproxy.score(normed, x, y, ["zen"], "tanaka2020")["zen"]
    assert found == pytest.approx(expected, abs=1e-5)


class Cut(nn.Module):
    """Its last map is pooled and then given up."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.conv, self.head, self.weight = nn.Conv2d(2, 3, 3), nn.Linear(3, 3), weight

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head((self.conv(x) * self.weight).mean((2, 3)).detach())
        return out


def test_a_disconnected_network_is_said_to_be() -> None:
    disconnected = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|none~2|"
    network = CellNetwork(spaces.get("digits201").blueprint(disconnected))
    for module, images in ((network, torch.randn(4, 1, 8, 8)), (Cut(0.0), torch.randn(4, 2, 4, 4))):
        with pytest.raises(MeasureError) as caught:
            zen(module, images)
        assert caught.value.kind == "disconnected"


def test_a_map_that_does_not_move_is_degenerate() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Threshold(1e9, 0.0), nn.Flatten())
    with pytest.raises(MeasureError, match="does not depend") as caught:
        zen(network, torch.randn(4, 2, 4, 4))
    assert caught.value.kind == "degenerate"


def test_integer_inputs_are_refused() -> None:
    network = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 3))
    with pytest.raises(MeasureError, match="integers") as caught:
        zen(network, torch.zeros(4, 2, dtype=torch.int64))
    assert caught.value.kind == "not_applicable"


class Residual(nn.Module):
    """A small ResNet with squeeze and excitation; its pooling and what else it does are given."""

    def __init__(self, pool: Any, extra: Any = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6))
        self.conv = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6))
        self.gate, self.head, self.pool = nn.Linear(6, 6), nn.Linear(6, 3), pool
        self.dead = nn.Sequential(nn.Conv2d(6, 6, 3), nn.BatchNorm2d(6))
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.stem(x))
        z = self.conv(y)
        z = z * torch.sigmoid(self.gate(z.mean((2, 3))))[:, :, None, None]
        self.map = torch.relu(y + z)
        out: Tensor = self.head(self.pool(self.map).flatten(1))
        if self.extra is not None:
            self.extra(self, x)
        return out


WAYS: dict[str, Any] = {
    "mean": lambda x: x.mean((2, 3)),
    "adaptive": nn.AdaptiveAvgPool2d(1),
    "view": lambda x: x.view(len(x), 6, -1).mean(2),
    "reshape": lambda x: x.reshape(len(x), 6, -1).mean(-1, keepdim=True),
    "tokens": lambda x: x.flatten(2).transpose(1, 2).mean(1),
    "channels last": lambda x: x.permute(0, 2, 3, 1).mean((1, 2)),
}


@pytest.mark.parametrize("way", WAYS)
def test_however_pooling_is_written(way: str) -> None:
    """The last map is that of the definition, taken from the network itself, run as zen ran it."""
    network = Residual(WAYS[way]).double()
    unused = copy.deepcopy(network).train()
    watched = Watched(network)
    found = zen(network, torch.randn(4, 2, 6, 6).double())
    maps, variances = [], []
    with torch.no_grad():
        for images, parameters in watched.runs:
            other = copy.deepcopy(unused)
            other.load_state_dict(parameters, strict=False)
            seen: list[np.ndarray] = []
            for block in (other.stem, other.conv):
                block[1].register_forward_pre_hook(
                    lambda _, a, s=seen: s.append(a[0].numpy().var((0, 2, 3)))
                )
            other(images)
            maps.append(other.map.numpy())
            variances.append(seen)
    distance = np.log(np.abs(maps[0] - maps[1]).sum((1, 2, 3)).mean())
    expected = float(distance) + sum(slow_scale(*pair) for pair in zip(*variances, strict=True))
    assert found == pytest.approx(expected, rel=1e-9)


def logged(network: Any, x: Tensor) -> None:
    network.seen = x.mean((2, 3)).detach()


def dropped(network: Any, x: Tensor) -> None:
    network.dead(network.map).mean((2, 3))


@pytest.mark.parametrize("extra", [logged, dropped])
def test_what_the_output_does_not_depend_on_plays_no_part(extra: Any) -> None:
    inputs = torch.randn(4, 2, 6, 6).double()
    plain, with_more = (Residual(WAYS["mean"], more).double() for more in (None, extra))
    assert zen(with_more, inputs) == zen(plain, inputs)


class Tokens(nn.Module):
    """Patches become tokens; what mixes them is given."""

    def __init__(self, mixing: nn.Module) -> None:
        super().__init__()
        self.patches, self.mixing, self.head = nn.Conv2d(2, 8, 2, 2), mixing, nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.mixing(self.patches(x).flatten(2).transpose(1, 2)).mean(1))
        return out


class Attention(nn.Module):
    """Attention written out, with (N, heads, L, D) on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.all, self.out = nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        q, k, v = self.all(x).view(n, length, 3, 2, 4).permute(2, 0, 3, 1, 4)
        mixed = torch.softmax(q @ k.transpose(-1, -2), -1) @ v
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(n, length, width))
        return out


@pytest.mark.parametrize("kind", ["encoder", "by hand", "squeezed", "dense"])
def test_networks_that_work_on_positions_to_the_end_have_no_last_map(kind: str) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)
    network: nn.Module = Tokens(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    if kind == "by hand":
        network = Tokens(Attention())
    elif kind == "squeezed":  # a map is pooled before the encoder, for a gate
        network = nn.Sequential(Gate(2), network)
    elif kind == "dense":
        dense = nn.Sequential(nn.Conv2d(2, 3, 3), Gate(3), nn.Conv2d(3, 3, 3))
        network = nn.Sequential(dense, Pixels())
    with pytest.raises(MeasureError, match="run on its positions to the end") as caught:
        zen(network, torch.randn(4, 2, 8, 8))
    assert caught.value.kind == "not_applicable"


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.layer(x.mean((2, 3))))[:, :, None, None]


class Pixels(nn.Module):
    """Class scores of the first position."""

    def forward(self, x: Tensor) -> Tensor:
        return x.unbind(3)[0].unbind(2)[0]


def test_every_layer_is_gaussian() -> None:
    torch.manual_seed(0)
    layers = (
        *(nn.ConvTranspose2d(2, 8, 2), nn.InstanceNorm2d(8, affine=True), nn.RMSNorm(9)),
        *(nn.GroupNorm(2, 8), nn.Conv2d(8, 8, 3)),
    )

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Sequential(*layers), nn.Linear(8, 3)
            self.attention = nn.MultiheadAttention(8, 2, add_bias_kv=True, batch_first=True)
            self.other = nn.MultiheadAttention(8, 2, kdim=4, vdim=4)

        def forward(self, x: Tensor) -> Tensor:
            y = self.body(x)
            tokens = y.flatten(2).mT
            y = y + self.attention(tokens, tokens, tokens)[0].mT.reshape(y.shape)
            out: Tensor = self.head(y.mean((2, 3)))
            return out

    network = Mixed()
    for p in network.parameters():
        nn.init.constant_(p, 0.37)
    watched = Watched(network)
    zen(network, torch.randn(4, 2, 8, 8))
    parameters = watched.runs[0][1]
    kinds = {
        name: "zeros" if not p.any() else "ones" if bool((p == 1).all()) else "normal"
        for name, p in parameters.items()
    }
    norms = {"body.1.weight", "body.2.weight", "body.3.weight"}
    assert {n for n, kind in kinds.items() if kind == "ones"} == norms
    zeros = {n for n in parameters if n.endswith(("bias", "bias_k", "bias_v"))}
    assert {n for n, kind in kinds.items() if kind == "zeros"} == zeros
    assert {n.split(".")[1] for n in kinds if n.startswith("other")} >= {"q_proj_weight"}
    for name in sorted(set(kinds) - norms - zeros):
        values = parameters[name]
        assert float(values.mean()) == pytest.approx(0, abs=4 / values.numel() ** 0.5), name
        assert float(values.std()) == pytest.approx(1, abs=4 / values.numel() ** 0.5), name


def test_the_default_type_of_the_process_plays_no_part() -> None:
    network = Residual(WAYS["mean"])
    inputs = torch.randn(4, 2, 6, 6)
    expected = zen(network, inputs)
    torch.set_default_dtype(torch.float64)
    try:
        assert zen(network, inputs) == expected
    finally:
        torch.set_default_dtype(torch.float32)
