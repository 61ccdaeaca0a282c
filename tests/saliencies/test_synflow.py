"""SynFlow against sums over all paths and against central differences."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zcproxy
from zcproxy.errors import MeasureError


def flow(network: nn.Module, shape: tuple[int, ...], protocol: str = "clean") -> dict[str, Tensor]:
    targets = torch.zeros(shape[0], dtype=torch.int64)
    return zcproxy.saliency(network, torch.randn(shape), targets, "synflow", protocol)


def linearized_sum(case: Any, changed: dict[str, Tensor]) -> Tensor:
    """The sum of outputs on ones with absolute parameters and batch norms left out."""
    parameters = {n: p.detach().abs() for n, p in case.network.named_parameters()}
    norms = [m for m in case.network.modules() if isinstance(m, nn.BatchNorm2d)]
    forwards = [m.forward for m in norms]
    for norm in norms:
        norm.forward = lambda x: x  # type: ignore[method-assign]
    try:
        ones = torch.ones_like(case.inputs[:1])
        output: Tensor = torch.func.functional_call(
            case.network, {**parameters, **changed}, (ones,)
        )
    finally:
        for norm, forward in zip(norms, forwards, strict=True):
            norm.forward = forward  # type: ignore[method-assign]
    return output.sum()


@pytest.mark.parametrize("protocol", ["clean", "abdelfattah2021"])
def test_it_is_weight_times_slope_of_the_linearized_network(case: Any, protocol: str) -> None:
    found = zcproxy.saliency(case.network, case.inputs, case.targets, "synflow", protocol)
    for name, weight in case.weights.items():
        for i in range(weight.numel()):
            ends = []
            for step in (1e-6, -1e-6):
                moved = weight.abs()
                moved.view(-1)[i] += step
                ends.append(float(linearized_sum(case, {name: moved})))
            expected = abs(float(weight.view(-1)[i])) * (ends[0] - ends[1]) / 2e-6
            assert float(found[name].view(-1)[i]) == pytest.approx(expected, rel=1e-5, abs=1e-8)


def test_every_weight_has_the_sum_of_the_paths_through_it() -> None:
    sizes = (3, 2, 4, 2)
    torch.manual_seed(0)
    layers = [nn.Linear(a, b, bias=False) for a, b in itertools.pairwise(sizes)]
    network = nn.Sequential(*layers).double()
    weights = [layer.weight.detach().abs() for layer in layers]
    expected = [torch.zeros_like(w) for w in weights]
    for path in itertools.product(*(range(size) for size in sizes)):
        steps = list(enumerate(itertools.pairwise(path)))
        product = math.prod(float(weights[layer][b, a]) for layer, (a, b) in steps)
        for layer, (a, b) in steps:
            expected[layer][b, a] += product
    found = flow(network, (2, 3))
    for i, oracle in enumerate(expected):
        torch.testing.assert_close(found[f"{i}.weight"], oracle, rtol=1e-12, atol=0)


def test_the_layers_of_a_network_without_biases_have_equal_sums() -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, bias=False),
        nn.BatchNorm2d(3, affine=False),
        nn.ReLU(),
        nn.Conv2d(3, 3, 3, stride=2, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(12, 4, bias=False),
    )
    sums = [float(s.sum()) for s in flow(network, (2, 2, 6, 6)).values()]
    assert len(sums) == 3
    assert sums == pytest.approx([sums[0]] * 3, rel=1e-12)
    with_bias = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2, bias=False))
    first, last = (float(s.sum()) for s in flow(with_bias, (2, 2)).values())
    assert first < last  # paths that begin at a bias pass the last layer only


NORMS = [
    (nn.LayerNorm(4), False),
    (nn.GroupNorm(2, 4), False),
    (nn.RMSNorm(4), False),
    (nn.BatchNorm1d(4), True),
    (nn.BatchNorm1d(4, affine=False), True),
]


@pytest.mark.parametrize(("norm", "no_op_for_the_authors"), NORMS, ids=lambda v: type(v).__name__)
def test_which_norms_are_left_out(norm: nn.Module, no_op_for_the_authors: bool) -> None:
    torch.manual_seed(0)
    first, last = nn.Linear(3, 4), nn.Linear(4, 2)
    network, bare = nn.Sequential(first, norm, last), nn.Sequential(first, nn.Identity(), last)
    with torch.no_grad():
        for p in norm.parameters():
            p.copy_(torch.rand_like(p) + 0.5)
    expected = list(flow(bare, (2, 3)).values())
    clean = list(flow(network, (2, 3)).values())
    assert all(torch.equal(a, b) for a, b in zip(clean, expected, strict=True))
    authors = list(flow(network, (2, 3), "abdelfattah2021").values())
    same = all(torch.equal(a, b) for a, b in zip(authors, expected, strict=True))
    assert same == no_op_for_the_authors


def test_dropout_is_left_out_when_clean() -> None:
    torch.manual_seed(0)
    first, last = nn.Linear(3, 40), nn.Linear(40, 2)
    network, bare = (
        nn.Sequential(first, nn.Dropout(0.5), last),
        nn.Sequential(first, nn.Identity(), last),
    )
    same = [
        torch.equal(a, b)
        for a, b in zip(flow(network, (2, 3)).values(), flow(bare, (2, 3)).values(), strict=True)
    ]
    assert same == [True, True]


def test_the_batch_and_the_targets_play_no_part() -> None:
    network = nn.Linear(3, 2)
    one = zcproxy.saliency(network, torch.randn(4, 3), torch.zeros(4).long(), "synflow")
    other = zcproxy.saliency(network, torch.randn(9, 3) * 100, None, "synflow")
    assert torch.equal(one["weight"], other["weight"])
    assert one["weight"].dtype == torch.float64


def test_a_float32_network_keeps_the_range_of_float64() -> None:
    network = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(4)))
    with torch.no_grad():
        for p in network.parameters():
            p.fill_(1e15)
    values = flow(network, (1, 2))
    assert float(values["0.weight"].sum()) == pytest.approx(2**5 * 1e60, rel=1e-6)


def test_without_layers_there_is_nothing_to_score() -> None:
    with pytest.raises(MeasureError, match="no convolution or linear layer"):
        flow(nn.Flatten(), (2, 3))
