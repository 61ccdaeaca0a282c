"""The cost model: what it counts, and that the fit finds what is there."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from torch import nn

from zcproxy import spaces
from zcproxy.errors import InputError
from zcproxy.runs.cost import (
    CostModel,
    Size,
    fit,
    mean_size,
    relative_errors,
    seconds_per_network,
    size,
)
from zcproxy.store import Row

SPACE = spaces.get("nasbench201")
FULL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|nor_conv_3x3~0|none~1|skip_connect~2|"
EMPTY = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"


def test_activations_are_what_the_operations_of_cells_write() -> None:
    blueprint = SPACE.blueprint(FULL)
    names = [operation.name for operation in blueprint.cell.operations]
    assert sorted(names) == ["avgpool3x3", "conv1x1", "conv3x3", "conv3x3"]
    written = 4 * 5 * (16 * 32 * 32 + 32 * 16 * 16 + 64 * 8 * 8)
    assert size(blueprint).activations == pytest.approx(written / 1e6)
    assert size(SPACE.blueprint(EMPTY)).activations == 0.0


def test_activations_are_those_of_the_modules() -> None:
    conv = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
    written: list[int] = []
    networks = [SPACE.network(a, classes=10, seed=0, live=True) for a in (conv, EMPTY)]
    for network, sign in zip(networks, (1, -1), strict=True):
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(
                    lambda _m, _i, out, sign=sign: written.append(sign * out[0].numel())
                )
        with torch.no_grad():
            network(torch.zeros(2, 3, 32, 32))
    assert size(SPACE.blueprint(conv)).activations == pytest.approx(sum(written) / 1e6)


def test_flops_are_the_live_ones() -> None:
    assert size(SPACE.blueprint(FULL)).flops == SPACE.blueprint(FULL).live_flops / 1e9


def test_the_fit_finds_the_model_behind_exact_times() -> None:
    model = CostModel(0.05, 0.4, 3.0)
    pairs = itertools.product((0.0, 0.2, 0.9), (0.01, 0.15))
    sizes = {str(n): Size(*pair) for n, pair in enumerate(pairs)}
    seconds = {network: model.seconds(s) for network, s in sizes.items()}
    found = fit(sizes, seconds)
    assert (found.fixed, found.per_activation, found.per_flop) == pytest.approx((0.05, 0.4, 3.0))
    assert relative_errors(found, sizes, seconds) == pytest.approx([0.0] * 6, abs=1e-9)


def test_no_other_model_without_negative_coefficients_fits_better() -> None:
    draw = random.Random(0)
    sizes = {str(n): Size(draw.random(), draw.random()) for n in range(12)}
    seconds = {n: 0.5 + s.activations * 2 - 0.4 * s.flops for n, s in sizes.items()}
    found = fit(sizes, seconds)
    assert found.per_flop == 0.0

    def squares(model: CostModel) -> float:
        return sum(error**2 for error in relative_errors(model, sizes, seconds))

    for _ in range(500):
        near = (max(0.0, c + draw.gauss(0, 0.05)) for c in vars(found).values())
        assert squares(CostModel(*near)) >= squares(found)


def test_errors_are_relative_to_what_was_measured() -> None:
    assert relative_errors(CostModel(3.0, 0, 0), {"a": Size(1, 1)}, {"a": 2.0}) == [0.5]


def test_the_mean_size_predicts_the_sum_of_all() -> None:
    model = CostModel(0.1, 0.7, 2.0)
    sizes = [Size(0.1, 0.3), Size(0.4, 0.0), Size(0.0, 0.9)]
    assert model.total(mean_size(sizes), 3) == pytest.approx(sum(map(model.seconds, sizes)))
    assert model.total(mean_size(sizes), 30, workers=5) == pytest.approx(
        2 * sum(map(model.seconds, sizes))
    )


def test_seconds_of_a_network_are_those_of_all_its_proxies() -> None:
    rows = [
        Row("a", "snip", 1.0, seconds=0.25),
        Row("a", "plain", 1.0, seconds=0.5),
        Row("b", "snip", 1.0, seconds=0.25),
        Row("b", "plain", None, "degenerate", "x", seconds=0.25),
    ]
    assert seconds_per_network(rows) == {"a": 0.75}


def test_what_cannot_be_fitted_is_refused() -> None:
    sizes = {name: Size(1.0, 1.0) for name in "abc"}
    with pytest.raises(InputError, match="to 2 networks"):
        fit(sizes, {"a": 1.0, "b": 1.0})
    with pytest.raises(InputError, match="must be positive"):
        fit(sizes, {"a": 1.0, "b": 0.0, "c": 1.0})
    with pytest.raises(InputError, match="0 workers"):
        CostModel(1, 1, 1).total(Size(1, 1), 3, workers=0)
