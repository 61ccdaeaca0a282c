"""What the report says, against counts by hand."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from zcproxy.errors import InputError
from zcproxy.pruning import Mask, consequences, prune


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, bias=False),
        nn.BatchNorm2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8, 3),
    )


def mask() -> Mask:
    """One of two filters is gone, and with it four of the eight inputs of the linear layer."""
    filters = torch.zeros(2, 1, 3, 3, dtype=torch.bool)
    filters[0, 0, 1] = True
    linear = torch.zeros(3, 8, dtype=torch.bool)
    linear[0] = True
    linear[1, 4:] = True
    return Mask({"0.weight": filters, "4.weight": linear})


def test_the_numbers() -> None:
    report = consequences(network(), mask(), torch.zeros(2, 1, 4, 4))
    first, last = report.layers
    assert (first.name, first.shape, first.total, first.kept, first.effective) == (
        *("0.weight", (2, 1, 3, 3), 18),
        *(3, 3),
    )
    assert (last.kept, last.effective, last.density) == (12, 4, 0.5)
    assert (first.multiply_adds, first.multiply_adds_kept) == (18 * 4, 3 * 4)
    assert (last.multiply_adds, last.multiply_adds_kept) == (24, 12)
    assert (report.total, report.kept, report.effective) == (42, 15, 7)
    assert report.sparsity == 27 / 42
    assert report.effective_sparsity == 35 / 42
    assert (report.params, report.params_kept) == (42 + 4 + 3, 15 + 4 + 3)
    assert (report.multiply_adds, report.multiply_adds_kept) == (96, 24)
    assert report.collapsed == []
    assert not report.disconnected


def test_the_text_and_the_table() -> None:
    report = consequences(network(), mask(), torch.zeros(2, 1, 4, 4))
    text = str(report)
    assert "8 of the kept weights are on no path from input to output" in text
    assert "does not make the network faster" in text
    assert "COLLAPSE" not in text
    assert "DISCONNECTED" not in text
    rows = json.loads(json.dumps(report.table()))
    assert [row["name"] for row in rows] == ["0.weight", "4.weight"]
    assert rows[1]["density"] == 0.5
    assert set(rows[0]) == {
        *("name", "shape", "total", "kept", "effective", "density"),
        *("multiply_adds", "multiply_adds_kept"),
    }


def test_a_dead_layer_is_named() -> None:
    bits = {name: b.clone() for name, b in mask().items()}
    bits["0.weight"][:] = False
    report = consequences(network(), Mask(bits), torch.zeros(1, 1, 4, 4))
    assert report.collapsed == ["0.weight"]
    assert report.disconnected
    assert report.effective == 0
    assert "no weight is left in 0.weight" in str(report)
    assert "DISCONNECTED" in str(report)


def test_the_mask_need_not_be_applied_and_must_fit() -> None:
    net = network()
    before = net[0].weight.clone()  # type: ignore[index,union-attr,operator]
    whole = prune(net, method="magnitude", density=1)
    report = consequences(net, whole, torch.zeros(1, 1, 4, 4))
    assert report.effective == report.total
    assert report.multiply_adds_kept == report.multiply_adds
    assert torch.equal(net[0].weight, before)  # type: ignore[index,union-attr,arg-type]
    with pytest.raises(InputError, match="another network"):
        consequences(nn.Linear(3, 3), whole, torch.zeros(1, 3))
