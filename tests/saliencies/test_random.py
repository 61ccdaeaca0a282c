"""Random scores: pinned by their seed, uniform, and of no other stream."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import zcproxy


def scores(seed: int) -> torch.Tensor:
    network = nn.Linear(100, 100)
    return zcproxy.saliency(network, torch.zeros(1, 100), None, "random", seed=seed)["weight"]


def test_the_seed_fixes_them() -> None:
    state = torch.get_rng_state()
    torch.manual_seed(9)
    assert torch.equal(scores(0), scores(0))
    assert not torch.equal(scores(0), scores(1))
    assert scores(-1).shape == (100, 100)
    torch.set_rng_state(state)
    assert float(scores(0)[0, 0]) == pytest.approx(PINNED, abs=1e-15)


def test_they_are_uniform_without_ties() -> None:
    values = scores(3).flatten()
    assert values.dtype == torch.float64
    assert len(values.unique()) == len(values)
    ordered = values.sort().values
    assert float((ordered - torch.linspace(0, 1, len(values))).abs().max()) < 0.02


PINNED = 0.633207491694582
