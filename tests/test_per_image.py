"""Gradients of single images from one pass, against one image after the other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zcproxy import protocols, spaces
from zcproxy.errors import MeasureError
from zcproxy.per_image import ImageProbe, first_entry_jacobian, kernel_of_outputs, sign_sums
from zcproxy.probe import Probe

CLEAN = protocols.get("clean")
SPACE = spaces.get("digits201")
CELL = (
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|avg_pool_3x3~0|skip_connect~1|nor_conv_1x1~2|"
)


class Tokens(nn.Module):
    """Linear layers over tokens, layer norm, attention by hand; no convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(4, 6), nn.LayerNorm(6)
        self.mix, self.last = nn.Linear(6, 6, bias=False), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.first(x))
        x = x + (self.mix(x) @ x.mT).softmax(-1) @ x
        out: Tensor = self.last(F.gelu(x).mean(1))
        return out


class Shared(nn.Module):
    """One layer used twice, strides, dilation, groups, and an in-place ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, stride=2, padding=2, dilation=2)
        self.conv = nn.Conv2d(4, 4, (3, 1), padding=(1, 0), groups=2, bias=False)
        self.norm, self.head = nn.BatchNorm2d(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)), inplace=True)
        x = self.conv(F.relu(self.conv(x)))
        out: Tensor = self.head(x.mean((2, 3)))
        return out


class Touching(nn.Module):
    """Images that see each other's mean."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        out: Tensor = self.last(F.relu(x - 0.5 * x.mean(0)))
        return out


class Leaking(nn.Module):
    """Something of the second image, or of the last but one, gets into the first or the last."""

    def __init__(self, into: int) -> None:
        super().__init__()
        self.first, self.last, self.into = nn.Linear(4, 5), nn.Linear(5, 3), into

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first(x))
        rows = list(y)
        if len(rows) > 1:
            rows[self.into] = rows[self.into] + 5 * rows[1 if self.into == 0 else -2]
        out: Tensor = self.last(torch.stack(rows))
        return out


class Elsewhere(nn.Module):
    """A weight that works in a layer and outside of it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first(x))
        out: Tensor = self.last(y) + (x @ self.first.weight.T)[:, :3]
        return out


def example(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A network and a batch of six in float64."""
    torch.manual_seed(2)
    network: nn.Module
    if name == "cell":
        network, shape = SPACE.network(CELL, live=True), (1, 8, 8)
    elif name == "tokens":
        network, shape = Tokens(), (5, 4)
    elif name == "shared":
        network, shape = Shared(), (2, 9, 8)
    elif name == "line":
        network = nn.Sequential(nn.Conv1d(2, 3, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(9, 3))
        shape = (2, 7)
    elif name.startswith("leaking"):
        network, shape = Leaking(0 if name.endswith("first") else -1), (4,)
    else:
        network, shape = (Touching() if name == "touching" else Elsewhere()), (4,)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(torch.randn(p.shape) * 0.2)
    return network.double(), torch.randn(6, *shape).double(), torch.arange(6) % 3


def probe_of(network: nn.Module, inputs: Any, targets: Any, **how: Any) -> Probe:
    return Probe(network, inputs, targets, CLEAN, passes=("again",), **how)


def slow_signs(network: nn.Module, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Signs of gradients image by image, added up, by plain autograd; nan where one is rounding."""
    network.train()
    layers = (nn.Conv1d, nn.Conv2d, nn.Linear)
    names = [f"{n}.weight" for n, m in network.named_modules() if isinstance(m, layers)]
    parameters = dict(network.named_parameters())
    total = {name: torch.zeros_like(parameters[name]) for name in names}
    for n in range(len(inputs)):
        loss = F.cross_entropy(network(inputs[n : n + 1]), targets[n : n + 1])
        for name, g in zip(
            names, torch.autograd.grad(loss, [parameters[n] for n in names]), strict=True
        ):
            unsure = (g != 0) & (g.abs() < 1e-13 * g.abs().max())
            total[name] += torch.where(unsure, torch.nan, g.sign())
    return total


def rounding(network: nn.Module, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Where a gradient of one pass is nothing but rounding for some image.

    Batch norm takes a constant gradient away; one way of adding up leaves zero, another some 1e-17.
    """
    part = probe_of(network, inputs, targets).part(slice(None), ImageProbe)
    found = {}
    for name, g in part.image_gradients([weight.name for weight in part.weights]):
        largest = g.flatten(1).abs().amax(1).view(-1, *[1] * (g.dim() - 1))
        found[name] = ((g != 0) & (g.abs() < 1e-13 * largest)).any(0)
    return found


FAST = ["cell", "tokens", "shared", "line"]
SLOW = ["touching", "elsewhere", "leaking first", "leaking last"]


@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_signs_are_those_of_images_alone(name: str) -> None:
    network, inputs, targets = example(name)
    if name not in FAST and name != "elsewhere":  # alone, an image sees nobody
        assert not probe_of(network, inputs, targets).part(slice(None), ImageProbe).separate
    found, expected = sign_sums(probe_of(network, inputs, targets)), slow_signs(*example(name))
    assert sorted(found) == sorted(expected)
    rounded = rounding(network, inputs, targets) if name in FAST else {}
    for key, total in expected.items():
        sure = ~total.isnan()
        sure &= ~rounded.get(key, torch.zeros_like(sure))
        assert torch.equal(found[key][sure], total[sure]), key
        assert int(sure.sum()) > 0.8 * total.numel()


@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_one_pass_is_taken_where_it_can_be(name: str) -> None:
    part = probe_of(*example(name)).part(slice(None), ImageProbe)
    assert part.known([weight.name for weight in part.weights]) == (name in FAST)


@pytest.mark.parametrize("name", FAST)
def test_gradients_of_images_are_those_of_images_alone(name: str) -> None:
    network, inputs, targets = example(name)
    part = probe_of(network, inputs, targets).part(slice(None), ImageProbe)
    assert part.separate
    found = dict(part.image_gradients([weight.name for weight in part.weights]))
    for n in range(len(inputs)):
        alone = probe_of(network, inputs[n : n + 1], targets[n : n + 1]).gradients
        assert sorted(alone) == sorted(found)
        for key, gradient in alone.items():
            scale = float(gradient.abs().max())
            torch.testing.assert_close(found[key][n], gradient, rtol=1e-8, atol=1e-9 * scale)


def test_channels_last_memory_changes_nothing() -> None:
    network, inputs, targets = example("shared")
    expected = sign_sums(probe_of(network, inputs, targets))
    network.to(memory_format=torch.channels_last)
    found = sign_sums(probe_of(network, inputs.to(memory_format=torch.channels_last), targets))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_dropout_is_drawn_for_every_image_alone() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 3)).double()
    inputs, targets = torch.randn(5, 4).double(), torch.arange(5) % 3
    found = sign_sums(probe_of(network, inputs, targets, seed=3))
    total: dict[str, Tensor] = {}
    for n in range(5):
        alone = probe_of(network, inputs[n : n + 1], targets[n : n + 1], seed=3).gradients
        total = {name: total.get(name, 0) + g.sign() for name, g in alone.items()}
    assert all(torch.equal(found[name], total[name]) for name in total)


def test_an_overwritten_input_is_seen() -> None:
    class Overwriting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = F.linear(x, self.first.weight.detach(), self.first.bias)  # needs no x later
            x.mul_(2)
            out: Tensor = self.last(y)
            return out

    network = Overwriting().double()
    batch = torch.randn(4, 4).double(), torch.arange(4) % 3
    part = probe_of(network, *batch).part(slice(None), ImageProbe)
    assert not part.known(["last.weight", "first.bias"]) or part.separate
    found = sign_sums(probe_of(network, *batch))
    assert set(found) == {"last.weight"}


def slow_kernel(network: nn.Module, inputs: Tensor) -> Tensor:
    network.train()
    output = network(inputs)
    layers = (nn.Conv1d, nn.Conv2d, nn.Linear)
    weights = [m.weight for m in network.modules() if isinstance(m, layers)]
    rows = []
    for image in output:
        gradients = torch.autograd.grad(image.sum(), weights, retain_graph=True)
        rows.append(torch.cat([g.flatten() for g in gradients]))
    return torch.stack([torch.stack([(a * b).sum() for b in rows]) for a in rows])


@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_the_kernel_of_outputs(name: str) -> None:
    network, inputs, targets = example(name)
    found = kernel_of_outputs(probe_of(network, inputs, targets), 4)
    torch.testing.assert_close(found, slow_kernel(network, inputs[:4]), rtol=1e-8, atol=1e-10)


def slow_jacobian(network: nn.Module, inputs: Tensor, most: int) -> Tensor:
    network.eval()
    parameters = list(network.parameters())[:most]
    rows = []
    for image in inputs:
        scores = network(image[None])[0]
        for score in scores:
            gradients = torch.autograd.grad(score, parameters, retain_graph=True)
            rows.append(torch.stack([g.flatten()[0] for g in gradients]))
    return torch.stack(rows).view(len(inputs), -1, len(parameters))


@pytest.mark.parametrize("most", [4, 1000])
@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_the_jacobian_of_first_entries(name: str, most: int) -> None:
    network, inputs, targets = example(name)
    for m in network.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.fill_(0.3)
            m.running_var.fill_(1.7)
    found, output, layers = first_entry_jacobian(probe_of(network, inputs, targets), 5, most)
    assert layers == len(list(network.parameters()))
    expected = slow_jacobian(network, inputs[:5], most)
    if name not in ("touching", "leaking first", "leaking last"):  # whose outputs are of the batch
        torch.testing.assert_close(output, network(inputs[:5]).detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-12)


class Wide(nn.Module):
    """More classes than features, by a weight that works twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 7)
        self.first.weight = nn.Parameter(torch.zeros(7, 4))
        self.first.bias = self.last.bias = nn.Parameter(torch.zeros(7))
        self.last.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(F.relu(self.first(x))[:, :4])
        return out


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda: SPACE.network(CELL, classes=40, live=True), (1, 8, 8)),
        (Wide, (4,)),
        (lambda: nn.Linear(3, 5), (3,)),
        (lambda: nn.Linear(3, 5, bias=False), (3,)),
    ],
    ids=["cell", "tied", "linear", "weight"],
)
def test_more_classes_than_features(build: Any, shape: tuple[int, ...]) -> None:
    torch.manual_seed(3)
    network = build()
    for p in network.parameters():
        p.data += 0.2 * torch.randn(p.shape)
    network, inputs = network.double(), torch.randn(5, *shape).double()
    found, output, _ = first_entry_jacobian(probe_of(network, inputs, None), 5, 1000)
    assert output.shape[1] > 4
    torch.testing.assert_close(found, slow_jacobian(network, inputs, 1000), rtol=1e-8, atol=1e-12)


def test_batch_norm_without_running_statistics_uses_every_images_own() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 3, 3, bias=False),
        nn.BatchNorm2d(3, track_running_stats=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(27, 3),
    ).double()
    inputs = torch.randn(4, 2, 5, 5).double()
    found, _, _ = first_entry_jacobian(probe_of(network, inputs, None), 4, 99)
    torch.testing.assert_close(found, slow_jacobian(network, inputs, 99), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("tracks", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_an_activation_in_place_after_a_norm_changes_nothing(tracks: bool, affine: bool) -> None:
    found = []
    for inplace in (False, True):
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [nn.Conv2d(2, 2, 3, bias=False), nn.ReLU(inplace=inplace)]
            layers.insert(-1, nn.BatchNorm2d(2, affine=affine, track_running_stats=tracks))
        network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, 3)).double()
        inputs = torch.randn(4, 2, 6, 6).double()
        jacobian, _, _ = first_entry_jacobian(probe_of(network, inputs, None), 4, 99)
        expected = slow_jacobian(network, inputs, 99)
        torch.testing.assert_close(jacobian, expected, rtol=1e-8, atol=1e-12)
        found.append(sign_sums(probe_of(network, inputs, torch.arange(4) % 3)))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_single_images_that_cannot_be_computed() -> None:
    network = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
    with pytest.raises(MeasureError, match="of some images alone") as caught:
        sign_sums(probe_of(network, torch.randn(4, 4), torch.arange(4) % 3))
    assert caught.value.kind == "not_applicable"


@pytest.mark.parametrize("network", [nn.ReLU(), nn.LayerNorm(4)])
def test_networks_without_layers_are_not_measured(network: nn.Module) -> None:
    probe = probe_of(network, torch.randn(4, 4), torch.arange(4))
    calls = [lambda: sign_sums(probe), lambda: kernel_of_outputs(probe, 3)]
    if isinstance(network, nn.ReLU):
        calls.append(lambda: first_entry_jacobian(probe, 3, 9))
    for call in calls:
        with pytest.raises(MeasureError) as caught:
            call()
        assert caught.value.kind == "not_applicable"


def test_parts_must_be_announced() -> None:
    network, inputs, targets = example("tokens")
    probe = Probe(network, inputs, targets, CLEAN, passes=())
    with pytest.raises(ValueError, match="made without 'again'"):
        probe.part(slice(2), Probe)


def test_a_part_of_inputs_by_name() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            out: Tensor = self.layer(a * b)
            return out

    network, a, b = Named(), torch.randn(5, 3), torch.randn(5, 3)
    targets = torch.arange(5) % 3
    for given in ([a, b], {"b": b, "a": a}):
        part = probe_of(network, given, targets).part(slice(1, 3), Probe)
        torch.testing.assert_close(part.output, network(a[1:3], b[1:3]))
        assert torch.equal(part.targets, targets[1:3])
        assert part.batch_size == 2
