"""To and from torch.nn.utils.prune."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from zcproxy.errors import InputError
from zcproxy.pruning import Mask, prune


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3, bias=False))


def test_there_and_back() -> None:
    network = small()
    twin = copy.deepcopy(network)
    mask = prune(network, method="magnitude", density=0.4)
    mask.to_torch_prune(network)
    mask.apply(twin)
    assert "0.weight_orig" in network.state_dict()
    x = torch.randn(3, 4)
    assert torch.equal(network(x), twin(x))
    assert Mask.from_torch_prune(network) == mask
    for index in (0, 2):
        torch_prune.remove(network[index], "weight")  # type: ignore[index,no-untyped-call]
    mask.verify(network)


def test_what_torch_pruned_becomes_a_mask() -> None:
    network = small()
    torch_prune.l1_unstructured(network[2], "weight", amount=6)  # type: ignore[index,no-untyped-call]
    torch_prune.random_unstructured(network[0], "bias", amount=2)  # type: ignore[index,no-untyped-call]
    mask = Mask.from_torch_prune(network)
    assert set(mask) == {"0.weight", "0.bias", "2.weight"}
    assert bool(mask["0.weight"].all())
    assert torch.equal(mask["2.weight"], network[2].weight != 0)  # type: ignore[index,union-attr]
    assert int(mask["0.bias"].sum()) == 3
    fresh = small()
    mask.attach(fresh)
    mask.verify(fresh)
    assert int((fresh[0].bias == 0).sum()) == 2  # type: ignore[index,union-attr,arg-type]


def test_tied_weights_stay_tied() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    network[2].weight = network[0].weight
    mask = prune(network, method="magnitude", density=0.5)
    mask.to_torch_prune(network)
    assert network[2].weight_orig is network[0].weight_orig
    assert Mask.from_torch_prune(network) == mask


def test_what_cannot_be_is_refused() -> None:
    network = small()
    with pytest.raises(InputError, match="no parameter of this network is pruned"):
        Mask.from_torch_prune(network)
    mask = prune(network, method="magnitude", density=0.5)
    mask.attach(network)
    with pytest.raises(InputError, match="detach it first"):
        mask.to_torch_prune(network)
    attention = nn.MultiheadAttention(4, 2)
    other = prune(attention, method="magnitude", density=0.5)
    with pytest.raises(InputError, match="output projection"):
        other.to_torch_prune(attention)
    assert not any("_orig" in name for name in attention.state_dict())
    mask.detach(network)
    mask.to_torch_prune(network)
    with pytest.raises(InputError, match=r"torch.nn.utils.prune.remove"):
        prune(network, method="magnitude", density=0.5)
