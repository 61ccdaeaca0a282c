"""Magnitude: the absolute values themselves."""

from __future__ import annotations

import torch
from torch import nn

import zcproxy


def test_it_is_the_absolute_value() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(12, 2))
    found = zcproxy.saliency(network, torch.zeros(1, 2, 4, 4), None, "magnitude")
    assert list(found) == ["0.weight", "2.weight"]
    for name, values in found.items():
        assert torch.equal(values, network.get_parameter(name).detach().abs())
        assert values.data_ptr() != network.get_parameter(name).data_ptr()
