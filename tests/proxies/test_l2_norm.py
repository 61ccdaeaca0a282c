"""Sum over layers of the norm of W, written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import zcproxy


@pytest.mark.parametrize("protocol", ["clean", "abdelfattah2021"])
def test_the_definition(case: Any, protocol: str) -> None:
    expected = sum(float(w.square().sum()) ** 0.5 for w in case.weights.values())
    found = zcproxy.score(case.network, case.inputs, case.targets, ["l2_norm"], protocol)["l2_norm"]
    assert found == pytest.approx(expected, rel=1e-5)
    assert found * 1.01 != pytest.approx(expected, rel=1e-5)


class Idle(nn.Module):
    """A network with a layer that takes no part."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.used(x)
        return out


def test_layers_the_backward_pass_does_not_reach_count_for_the_authors_only() -> None:
    network, batch = Idle(), (torch.randn(4, 3), torch.tensor([0, 1, 1, 0]))
    used, idle = (float(layer.weight.detach().norm()) for layer in (network.used, network.idle))
    clean = zcproxy.score(network, *batch, ["l2_norm"])["l2_norm"]
    authors = zcproxy.score(network, *batch, ["l2_norm"], "abdelfattah2021")["l2_norm"]
    assert clean == pytest.approx(used)
    assert authors == pytest.approx(used + idle)
