"""Where in a framework's module a mask belongs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import zcproxy.callbacks
from zcproxy.callbacks.part import part_of
from zcproxy.errors import InputError
from zcproxy.pruning import Mask

MASK = Mask({"weight": torch.tensor([[True, False], [False, True]])})


def test_the_module_itself_its_only_fitting_child_or_the_named_one() -> None:
    own = nn.Linear(2, 2)
    assert part_of(own, MASK, None) is own
    outer = nn.Module()
    outer.model, outer.head = own, nn.Linear(2, 3)
    assert part_of(outer, MASK, None) is own
    deep = nn.Module()
    deep.outer = outer
    assert part_of(deep, MASK, "outer.model") is own


def test_none_several_and_wrong_names_are_errors() -> None:
    pair = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with pytest.raises(InputError, match="fits more than one of Sequential.*part="):
        part_of(pair, MASK, None)
    with pytest.raises(InputError, match="fits none of Linear"):
        part_of(nn.Linear(2, 3), MASK, None)
    with pytest.raises(InputError, match="Sequential has no submodule '7'"):
        part_of(pair, MASK, "7")
    with pytest.raises(InputError, match="another network"):
        part_of(nn.Sequential(nn.Linear(2, 3)), MASK, "0")


def test_only_known_callbacks() -> None:
    assert dir(zcproxy.callbacks) == ["LightningMask", "TransformersMask"]
    with pytest.raises(AttributeError, match="no attribute 'KerasMask'"):
        _ = zcproxy.callbacks.KerasMask
