"""T-CET with SynFlow, layer by layer."""

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


def slow_part(saliency: Tensor, given_out: Tensor) -> float:
    """A layer's log signal over noise times the log determinant of its signs' agreements."""
    signs = [[value > 0 for value in image.flatten().tolist()] for image in given_out]
    kernel = np.array([[sum(map(bool.__eq__, i, j)) for j in signs] for i in signs], dtype=float)
    if np.linalg.matrix_rank(kernel) < len(kernel):
        return 0.0
    numbers = saliency.flatten().tolist()
    return math.log(sum(numbers) / statistics.stdev(numbers)) * math.log(np.linalg.det(kernel))


def images(case: Any) -> tuple[Tensor, Tensor]:
    few = slice(0, 2 if case.name == "mlp" else 5)
    return case.inputs[few], case.targets[few]


def test_the_definition(case: Any) -> None:
    batch = images(case)
    saliency = zcproxy.saliency(case.network, *batch, "synflow")
    given_out: dict[str, Tensor] = {}
    for name in saliency:
        layer = case.network.get_submodule(name.removesuffix(".weight"))
        layer.register_forward_hook(
            lambda _module, _inputs, out, name=name: given_out.update({name: out.detach()})
        )
    case.network.eval()(batch[0])
    expected = sum(slow_part(s, given_out[name]) for name, s in saliency.items())
    found = zcproxy.score(case.network, *batch, ["t_cet_synflow", "t_cet_snip"])
    assert expected != 0
    assert found["t_cet_synflow"] == pytest.approx(expected, rel=1e-9)
    assert found["t_cet_synflow"] != pytest.approx(found["t_cet_snip"], rel=1e-3)


def test_it_needs_no_labels(case: Any) -> None:
    inputs, targets = images(case)
    one = zcproxy.score(case.network, inputs, targets, ["t_cet_synflow"])
    other = zcproxy.score(case.network, inputs, targets.flip(0), ["t_cet_synflow"])
    assert one == other


def test_failures_of_the_flow_are_said() -> None:
    network = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(9))).double()
    batch = torch.randn(3, 2, dtype=torch.float64), torch.zeros(3, dtype=torch.int64)
    for value, kind in ((1e40, "overflow"), (math.nan, "nonfinite")):
        with torch.no_grad():
            for p in network.parameters():
                p.uniform_(1, 2, generator=torch.Generator().manual_seed(0)).mul_(value)
        with pytest.raises(MeasureError) as caught:
            zcproxy.score(network, *batch, ["t_cet_synflow"])
        assert caught.value.kind == kind


def test_disconnected() -> None:
    space = zcproxy.space("nasbench201")
    network = space.network("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    batch = torch.randn(4, 3, 32, 32), torch.arange(4)
    assert zcproxy.score(network, *batch, ["t_cet_synflow"]) == {"t_cet_synflow": 0}


def test_both_are_made_of_one_more_forward_pass(case: Any) -> None:
    calls: list[None] = []
    case.network.register_forward_pre_hook(lambda _module, _inputs: calls.append(None))
    batch = images(case)
    counts = []
    for names in (["snip", "synflow"], ["t_cet_snip", "t_cet_synflow"]):
        calls.clear()
        zcproxy.score(case.network, *batch, names)
        counts.append(len(calls))
    assert counts[1] == counts[0] + 1
