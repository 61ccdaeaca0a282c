"""Sum of abs(w * dL/dw), against central differences."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import zcproxy


@pytest.mark.parametrize("protocol", ["clean", "abdelfattah2021"])
def test_the_definition(case: Any, protocol: str) -> None:
    gradient = case.gradient()
    pairs = [(weight, gradient[name]) for name, weight in case.weights.items()]
    expected = sum(float((w * g).abs().sum()) for w, g in pairs)
    found = zcproxy.score(case.network, case.inputs, case.targets, ["snip"], protocol)["snip"]
    assert found == pytest.approx(expected, rel=1e-5)
    assert found * 1.01 != pytest.approx(expected, rel=1e-5)


def test_it_is_the_slope_in_a_mask_of_ones(case: Any) -> None:
    """The authors' route: multiply weights by a mask and differentiate in the mask."""
    masks = {n: torch.ones_like(w).requires_grad_() for n, w in case.weights.items()}
    loss = case.loss({n: w * masks[n] for n, w in case.weights.items()})
    slopes = torch.autograd.grad(loss, list(masks.values()))
    expected = sum(float(g.abs().sum()) for g in slopes)
    found = zcproxy.score(case.network, case.inputs, case.targets, ["snip"])["snip"]
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_split_batch_is_another_measure(case: Any) -> None:
    """Mean losses of halves add up to about twice the loss: never split silently."""
    whole = zcproxy.score(case.network, case.inputs[:4], case.targets[:4], ["snip"])["snip"]
    halves = {name: torch.zeros_like(w) for name, w in case.weights.items()}
    for part in (slice(0, 2), slice(2, 4)):
        scores = zcproxy.saliency(case.network, case.inputs[part], case.targets[part], "plain")
        halves = {name: total + scores[name] for name, total in halves.items()}
    split = sum(float(total.abs().sum()) for total in halves.values())
    assert split > 1.5 * whole


def test_frozen_weights_count(case: Any) -> None:
    batch = case.inputs, case.targets
    expected = zcproxy.score(case.network, *batch, ["snip"])
    case.network.requires_grad_(False)
    assert zcproxy.score(case.network, *batch, ["snip"]) == expected


def test_one_dimensional_convolutions_are_layers_when_clean_only() -> None:
    network = nn.Sequential(nn.Conv1d(2, 3, 2), nn.Flatten(), nn.Linear(9, 3))
    batch = torch.randn(5, 2, 4), torch.arange(5) % 3
    weight = zcproxy.saliency(network, *batch, "snip")
    clean = zcproxy.score(network, *batch, ["snip"])["snip"]
    authors = zcproxy.score(network, *batch, ["snip"], "abdelfattah2021")["snip"]
    assert list(weight) == ["0.weight", "2.weight"]
    assert authors == pytest.approx(float(weight["2.weight"].sum()))
    assert clean == pytest.approx(sum(float(w.sum()) for w in weight.values()))


def test_norms_and_embeddings_are_no_layers() -> None:
    network = nn.Sequential(nn.Embedding(7, 4), nn.LayerNorm(4), nn.Flatten(), nn.Linear(8, 3))
    for protocol in ("clean", "abdelfattah2021"):
        found = zcproxy.saliency(
            network, torch.randint(0, 7, (5, 2)), torch.arange(5) % 3, "snip", protocol
        )
        assert list(found) == ["3.weight"]
