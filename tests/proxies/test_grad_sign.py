"""GradSign against one image after the other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import zcproxy
from zcproxy import spaces
from zcproxy.errors import InputError, MeasureError

NOTHING = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def slow_grad_sign(
    network: nn.Module, inputs: Tensor, targets: Tensor, rounding: float = 1e-14
) -> tuple[float, float]:
    """Image by image and weight by weight, by plain autograd in training mode.

    With it how far it may be off, as signs of what is nothing but rounding are anybody's guess.
    """
    network.train()
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    signs: list[list[float]] = []
    unsure = 0
    for n in range(len(inputs)):
        network.zero_grad()
        F.cross_entropy(network(inputs[n : n + 1]), targets[n : n + 1]).backward()
        flat = torch.cat([m.weight.grad.flatten() for m in layers])
        unsure += int(((flat != 0) & (flat.abs() < rounding * flat.abs().max())).sum())
        signs.append([(g > 0) - (g < 0) for g in flat.tolist()])
    network.zero_grad()
    assert unsure < 0.1 * len(signs) * len(signs[0])
    value = sum(abs(sum(each)) for each in zip(*signs, strict=True))
    return value, 2 * unsure + 1e-9


def grad_sign(network: nn.Module, inputs: Any, targets: Any, protocol: str = "clean") -> float:
    return zcproxy.score(network, inputs, targets, ["grad_sign"], protocol)["grad_sign"]


@pytest.mark.parametrize("protocol", ["clean", "abdelfattah2021"])
def test_the_definition(case: Any, protocol: str) -> None:
    found = grad_sign(case.network, case.inputs, case.targets, protocol)
    expected, rounding = slow_grad_sign(case.network, case.inputs, case.targets)
    assert found == pytest.approx(expected, abs=rounding)
    assert found * 1.3 != pytest.approx(expected, abs=rounding)


def test_a_cell_network_of_full_size() -> None:
    space = spaces.get("nasbench201")
    architecture = "|nor_conv_1x1~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    network = space.network(architecture, live=True).double()
    generator = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(2, 3, 32, 32, generator=generator).double(), torch.arange(2)
    expected, rounding = slow_grad_sign(network, inputs, targets)
    assert rounding < 1e-3 * expected
    assert grad_sign(network, inputs, targets) == pytest.approx(expected, abs=rounding)


def test_the_order_of_images_does_not_matter(case: Any) -> None:
    found = grad_sign(case.network, case.inputs, case.targets)
    assert grad_sign(case.network, case.inputs.flip(0), case.targets.flip(0)) == found


def test_copies_of_one_image_agree_in_every_sign() -> None:
    torch.manual_seed(0)
    network = nn.Linear(4, 3).double()
    inputs, targets = torch.randn(1, 4).double().repeat(7, 1), torch.zeros(7, dtype=torch.int64)
    assert grad_sign(network, inputs, targets) == 7 * 12
    assert grad_sign(network, torch.cat([inputs[:4], -inputs[:3]]), targets) < 7 * 12


def test_layers_that_are_not_reached_add_nothing() -> None:
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.unused = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.layer(x)
            return out

    torch.manual_seed(0)
    network, inputs, targets = Unused(), torch.randn(5, 4), torch.arange(5) % 3
    found = grad_sign(network, inputs, targets)
    assert found == grad_sign(network.layer, inputs, targets)
    assert found == grad_sign(network, inputs, targets, "abdelfattah2021")


def test_a_loss_of_ones_own_is_taken_image_by_image() -> None:
    torch.manual_seed(0)
    network, inputs, targets = nn.Linear(4, 3).double(), torch.randn(5, 4).double(), torch.ones(5)

    def loss(output: Tensor, wanted: Tensor) -> Tensor:
        return (output.sum(1) - wanted).square().mean()

    found = zcproxy.score(network, inputs, targets, ["grad_sign"], loss=loss)["grad_sign"]
    error = (network(inputs).sum(1) - 1).detach()
    signs = (error[:, None] * inputs).sign().sum(0).abs()
    assert found == 3 * float(signs.sum())  # the same for all three outputs


def failure(network: nn.Module, inputs: Any, targets: Any) -> MeasureError:
    with pytest.raises(MeasureError) as caught:
        grad_sign(network, inputs, targets)
    return caught.value


def test_batch_norm_of_vectors_is_not_applicable() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
    error = failure(network, torch.randn(4, 3), torch.arange(4) % 3)
    assert error.kind == "not_applicable"


def test_a_loss_that_is_not_finite() -> None:
    network = nn.Linear(3, 3)
    inputs = torch.full((2, 3), float("inf"))
    assert failure(network, inputs, torch.arange(2)).kind == "nonfinite"


def test_embeddings_of_integers_are_measured() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 3))
    inputs = torch.randint(0, 9, (5, 3))
    assert 0 < grad_sign(network, inputs, torch.arange(5) % 3) <= 5 * 36


def test_a_network_without_a_path_has_no_signs() -> None:
    network = spaces.get("digits201").network(NOTHING, live=True)
    assert failure(network, torch.randn(4, 1, 8, 8), torch.arange(4)).kind == "disconnected"


def test_a_lack_of_memory_is_no_fault_of_the_network() -> None:
    class Greedy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)
            self.calls = [0]

        def forward(self, x: Tensor) -> Tensor:
            self.calls[0] += 1
            if self.calls[0] > 1:
                raise MemoryError("no more")
            out: Tensor = self.layer(x)
            return out

    with pytest.raises(InputError, match="no more"):
        zcproxy.score(Greedy(), torch.randn(4, 3), torch.arange(4) % 3, ["snip", "grad_sign"])


def test_gradients_that_are_no_numbers_are_said() -> None:
    class Rooted(nn.Linear):
        """Its loss is finite; the root of nothing has an infinite slope, times nothing."""

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + (self.weight - self.weight.detach()).abs().sum().sqrt()

    error = failure(Rooted(3, 3), torch.randn(4, 3), torch.arange(4) % 3)
    assert error.kind == "nonfinite"
