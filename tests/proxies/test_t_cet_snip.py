"""T-CET with SNIP, layer by layer, over pairs of images and outputs with loops."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zcproxy
from zcproxy.errors import MeasureError


def slow_kernel(given_out: Tensor) -> list[list[int]]:
    """In how many outputs two images are both positive or both not."""
    positive = [[value > 0 for value in image.flatten().tolist()] for image in given_out]
    return [[sum(a == b for a, b in zip(i, j, strict=True)) for j in positive] for i in positive]


def slow_t_cet(network: nn.Module, inputs: Tensor, saliency: dict[str, Tensor]) -> float:
    """Log signal over noise times log determinant, layer by layer; singular kernels count 0."""
    kernels: dict[str, list[list[int]]] = {}

    def seen(name: str) -> Any:
        return lambda _module, _inputs, out: kernels.update({f"{name}.weight": slow_kernel(out)})

    handles = [
        module.register_forward_hook(seen(name))
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    network.eval()(inputs)
    for handle in handles:
        handle.remove()
    value = 0.0
    for name, s in saliency.items():
        numbers = s.double().flatten().tolist()
        kernel = np.array(kernels[name], dtype=float)
        if np.linalg.matrix_rank(kernel) == len(kernel):
            ratio = math.log(sum(numbers) / statistics.stdev(numbers))
            value += ratio * math.log(np.linalg.det(kernel))
    return value


def images(case: Any) -> tuple[Tensor, Tensor]:
    """Few images of the perceptron, whose five and six units tell more of them not apart."""
    few = slice(0, 2 if case.name == "mlp" else 5)
    return case.inputs[few], case.targets[few]


def test_the_definition(case: Any) -> None:
    batch = images(case)
    saliency = zcproxy.saliency(case.network, *batch, "snip")
    expected = slow_t_cet(case.network, batch[0], saliency)
    found = zcproxy.score(case.network, *batch, ["t_cet_snip"])["t_cet_snip"]
    assert expected != 0
    assert found == pytest.approx(expected, rel=1e-9)


def test_by_hand() -> None:
    network = nn.Linear(2, 2, bias=False).double()
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    batch = torch.tensor([[1.0, 1.0], [1.0, -1.0]]).double(), torch.tensor([0, 1])

    def loss(output: Tensor, targets: Tensor) -> Tensor:
        return output[0].sum()

    # dL/dW is one everywhere, saliencies are 1, 0, 0, 2: sum 3, standard deviation sqrt(11 / 12);
    # outputs are (1, 2) and (1, -2), so K is ((2, 1), (1, 2)), of determinant 3
    found = zcproxy.score(network, *batch, ["t_cet_snip"], loss=loss)["t_cet_snip"]
    assert found == pytest.approx(math.log(3 / math.sqrt(11 / 12)) * math.log(3))


def test_a_network_of_cells() -> None:
    space = zcproxy.space("digits201")
    network = space.network(space.subset("live")[3])
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(8, 1, 8, 8, generator=generator), torch.arange(8)
    saliency = zcproxy.saliency(network, *batch, "snip")
    expected = slow_t_cet(network, batch[0], saliency)
    results = zcproxy.score(network, *batch, ["t_cet_snip", "snip", "flops"])
    assert results["t_cet_snip"] == pytest.approx(expected, rel=1e-6)
    alone = zcproxy.score(network, *batch, ["snip", "flops"])
    assert alone == {name: results[name] for name in alone}


def test_a_singular_layer_adds_nothing() -> None:
    torch.manual_seed(0)
    first, last = nn.Linear(3, 40, bias=False), nn.Linear(40, 1, bias=False)
    network = nn.Sequential(first, nn.ReLU(), last).double()
    generator = torch.Generator().manual_seed(1)
    batch = torch.randn(4, 3, generator=generator, dtype=torch.float64), torch.zeros(4).long()

    def loss(output: Tensor, targets: Tensor) -> Tensor:
        return output.square().mean()

    found = zcproxy.score(network, *batch, ["t_cet_snip"], loss=loss)["t_cet_snip"]
    saliency = zcproxy.saliency(network, *batch, "snip", loss=loss)
    only = {"0.weight": saliency["0.weight"]}
    assert found == pytest.approx(slow_t_cet(network, batch[0], only), rel=1e-9)


def test_images_of_equal_signs_everywhere_are_degenerate() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    batch = torch.ones(2, 3, 2, 2), torch.tensor([0, 1])
    with pytest.raises(MeasureError, match="every layer") as caught:
        zcproxy.score(network, *batch, ["t_cet_snip"])
    assert caught.value.kind == "degenerate"


def test_a_weight_used_twice_has_the_outputs_of_both_uses() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.layer(torch.relu(self.layer(x)))
            return out

    torch.manual_seed(0)
    network = Twice().double()
    generator = torch.Generator().manual_seed(2)
    batch = torch.randn(3, 6, generator=generator, dtype=torch.float64), torch.tensor([0, 1, 2])
    first = network.layer(batch[0])
    both = torch.cat([first, network.layer(first.relu())], 1)
    numbers = zcproxy.saliency(network, *batch, "snip")["layer.weight"].flatten().tolist()
    ratio = math.log(sum(numbers) / statistics.stdev(numbers))
    expected = ratio * math.log(np.linalg.det(np.array(slow_kernel(both), dtype=float)))
    found = zcproxy.score(network, *batch, ["t_cet_snip"])["t_cet_snip"]
    assert found == pytest.approx(expected, rel=1e-9)


def test_tokens_that_are_rows_of_their_own_are_not_images() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.layer(x.flatten(0, 1))
            return out.view(len(x), -1, 3).mean(1)

    batch = torch.randn(5, 7, 4), torch.arange(5) % 3
    with pytest.raises(MeasureError, match="35 rows for 5 images") as caught:
        zcproxy.score(Tokens(), *batch, ["t_cet_snip"])
    assert caught.value.kind == "not_applicable"


def test_a_layer_that_is_not_seen_is_said() -> None:
    network = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    batch = torch.randn(4, 5, 8), torch.randn(4, 5, 8)
    with pytest.raises(MeasureError, match="elsewhere than in a convolution") as caught:
        zcproxy.score(network, *batch, ["t_cet_snip"], loss=nn.functional.mse_loss)
    assert caught.value.kind == "not_applicable"


def test_disconnected() -> None:
    space = zcproxy.space("nasbench201")
    network = space.network("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    batch = torch.randn(4, 3, 32, 32), torch.arange(4)
    assert zcproxy.score(network, *batch, ["snip", "t_cet_snip"]) == {"snip": 0, "t_cet_snip": 0}
