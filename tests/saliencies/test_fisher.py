"""Fisher information against a loop over images and channels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import zcproxy
from zcproxy.errors import MeasureError


@contextmanager
def watched(network: nn.Module) -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
    """Of every layer: what it gives out, and a zero added to it whose gradient is dL/da."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def hook(name: str, output: Tensor) -> Tensor:
        zero = torch.zeros_like(output).requires_grad_()
        seen[f"{name}.weight"] = (output.detach().clone(), zero)
        return output + zero

    handles = [
        module.register_forward_hook(lambda _, __, output, name=name: hook(name, output))
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    yield seen
    for handle in handles:
        handle.remove()


def oracle(network: nn.Module, inputs: Tensor, targets: Tensor) -> dict[str, list[float]]:
    """1/2 mean_n (sum over positions of a * dL/da)^2 of every channel, by loops."""
    with watched(network) as seen:
        loss = F.cross_entropy(network(inputs), targets)
    gradients = torch.autograd.grad(loss, [zero for _, zero in seen.values()])
    result = {}
    for (name, (a, _)), g in zip(seen.items(), gradients, strict=True):
        channels = []
        for c in range(a.shape[1]):
            total = 0.0
            for n in range(len(a)):
                total += float((a[n, c] * g[n, c]).sum()) ** 2
            channels.append(total / len(a) / 2)
        result[name] = channels
    return result


def test_every_weight_has_the_information_of_its_channel(case: Any) -> None:
    expected = oracle(case.network, case.inputs, case.targets)
    found = zcproxy.saliency(case.network, case.inputs, case.targets, "fisher")
    assert found.keys() == expected.keys()
    for name, channels in expected.items():
        assert found[name].shape == case.weights[name].shape
        for c, value in enumerate(channels):
            assert found[name][c].flatten().tolist() == pytest.approx(
                [value] * found[name][c].numel()
            )
            assert found[name][c].flatten()[0] * 1.01 != pytest.approx(value) or value == 0


class Overwriting(nn.Module):
    """Overwrites the output of a layer in one of several ways, or not at all."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.first, self.last, self.how = nn.Linear(4, 4), nn.Linear(4, 3), how

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        if self.how == "no":
            y = F.leaky_relu(y + 1, 0.1)
        elif self.how == "operator":
            y += 1
            y = F.leaky_relu_(y, 0.1)
        elif self.how == "method":
            y = y.add_(1)
            y = F.leaky_relu(y, 0.1, True)
        elif self.how == "items":
            y[:, :] = y + 1
            y = F.leaky_relu(y, 0.1, inplace=True)
        elif self.how == "activation":
            y = F.leaky_relu(F.threshold(y, -99.0, 0.0, inplace=True) + 1, 0.1)
        out: Tensor = self.last(y)
        return out


@pytest.mark.parametrize("how", ["operator", "method", "items", "activation"])
def test_overwriting_the_output_changes_nothing(how: str) -> None:
    torch.manual_seed(0)
    network, batch = Overwriting("no").double(), (torch.randn(5, 4).double(), torch.arange(5) % 3)
    other = Overwriting(how).double()
    other.load_state_dict(network.state_dict())
    expected = zcproxy.saliency(network, *batch, "fisher")
    found = zcproxy.saliency(other, *batch, "fisher")
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, rtol=1e-12, atol=0)


def test_overwriting_through_a_view_fails_alone() -> None:
    class View(Overwriting):
        def forward(self, x: Tensor) -> Tensor:
            y = self.first(x)
            y.view(-1).mul_(2.0)
            out: Tensor = self.last(y)
            return out

    network, batch = View("view"), (torch.randn(5, 4), torch.arange(5) % 3)
    with pytest.raises(MeasureError, match="overwritten through a view") as caught:
        zcproxy.score(network, *batch, ["fisher", "snip"])
    assert caught.value.scores == zcproxy.score(network, *batch, ["snip"])  # type: ignore[attr-defined]


def test_a_layer_used_twice_adds_up_its_uses() -> None:
    torch.manual_seed(1)
    layer, head = nn.Linear(4, 4).double(), nn.Linear(4, 3).double()
    network = nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), head)
    x, y = torch.randn(5, 4).double(), torch.arange(5) % 3
    first = layer(x)
    second = layer(first.relu())
    loss = F.cross_entropy(head(second.relu()), y)
    g1, g2 = torch.autograd.grad(loss, [first, second])
    expected = sum((a * g).square().mean(0) / 2 for a, g in ((first, g1), (second, g2)))
    found = zcproxy.saliency(network, x, y, "fisher")["0.weight"]
    torch.testing.assert_close(found, expected.detach()[:, None].expand(4, 4))


def test_positions_of_sequences_and_of_transposed_convolutions() -> None:
    torch.manual_seed(2)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.each, self.up, self.head = (
                nn.Linear(2, 3),
                nn.ConvTranspose1d(3, 4, 2),
                nn.Linear(4, 3),
            )

        def forward(self, x: Tensor) -> Tensor:
            self.a = self.each(x)
            self.b = self.up(self.a.transpose(1, 2))
            out: Tensor = self.head(self.b.relu().mean(2))
            return out

    network, x, y = Network().double(), torch.randn(5, 3, 2).double(), torch.arange(5) % 3
    found = zcproxy.saliency(network, x, y, "fisher")
    loss = F.cross_entropy(network(x), y)
    a, b = network.a, network.b
    ga, gb = torch.autograd.grad(loss, [a, b])
    each = (a * ga).sum(1).square().mean(0) / 2
    up = (b * gb).sum(2).square().mean(0) / 2
    torch.testing.assert_close(found["each.weight"], each.detach()[:, None].expand(3, 2))
    torch.testing.assert_close(found["up.weight"], up.detach()[None, :, None].expand(3, 4, 2))


def test_rows_that_are_not_images_are_refused() -> None:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.each, self.head = nn.Linear(2, 3), nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            rows = self.each(x.flatten(0, 1)).relu()
            out: Tensor = self.head(rows.view(*x.shape[:2], 3).mean(1))
            return out

    batch = torch.randn(5, 3, 2), torch.arange(5) % 3
    with pytest.raises(MeasureError, match="not one row for each") as caught:
        zcproxy.saliency(Rows(), *batch, "fisher")
    assert caught.value.kind == "not_applicable"


def test_layers_inside_attention_are_said_to_be_unseen() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.head = (
                nn.MultiheadAttention(4, 2, batch_first=True),
                nn.Linear(4, 3),
            )

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.attention(x, x, x, need_weights=False)[0].mean(1))
            return out

    network, batch = Attending(), (torch.randn(5, 3, 4), torch.arange(5) % 3)
    with pytest.raises(MeasureError, match="attention module") as caught:
        zcproxy.saliency(network, *batch, "fisher")
    assert caught.value.kind == "not_applicable"
    authors = zcproxy.saliency(network, *batch, "fisher", protocol="abdelfattah2021")
    assert bool((authors["attention.out_proj.weight"] == 0).all())  # their hooks never fire there
    assert bool((authors["head.weight"] > 0).any())


def test_grouped_transposed_convolutions_are_refused() -> None:
    network = nn.Sequential(
        nn.ConvTranspose2d(2, 4, 2, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)
    )
    with pytest.raises(MeasureError, match="grouped transposed convolution"):
        zcproxy.saliency(network, torch.randn(4, 2, 2, 2), torch.arange(4) % 3, "fisher")
