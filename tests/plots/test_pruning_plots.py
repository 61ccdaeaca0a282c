"""Curves of accuracy against density, and layer-wise densities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from zcproxy.plots import accuracy_curves, layer_densities


def frames(seeds: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    cells = [("dense", 1.0, s, 90.0 + s) for s in range(seeds)]
    cells += [
        (method, density, s, 60 + 10 * density + s + k)
        for k, method in enumerate(("snip", "synflow"))
        for density in (0.2, 0.05, 0.01)
        for s in range(seeds)
    ]
    frame = pd.DataFrame(cells, columns=["method", "density", "seed", "accuracy"])
    told = frame.groupby(["method", "density"], sort=False)["accuracy"].agg(["mean", "count"])
    told = told.reset_index().rename(columns={"mean": "accuracy", "count": "seeds"})
    gap = 0.5 if seeds > 1 else np.nan
    return told.assign(low=told["accuracy"] - gap, high=told["accuracy"] + gap), frame


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible()]


def test_a_curve_per_method_with_intervals_dots_and_the_dense_line() -> None:
    told, cells = frames()
    figure = accuracy_curves(told, cells, "CIFAR-10 test accuracy")
    words = texts(figure)
    assert {"snip", "synflow", "dense", "CIFAR-10 test accuracy (%)"} <= set(words)
    assert {"20", "5", "1"} <= set(words)
    assert any("3 seeds per point" in word and "95 %" in word for word in words)
    (axes,) = figure.axes
    curves = {line.get_label(): line for line in axes.get_lines()}
    assert sorted(curves["snip"].get_ydata()) == pytest.approx([61.1, 61.5, 63.0])
    assert curves["dense"].get_ydata()[0] == pytest.approx(91)
    assert axes.xaxis_inverted()
    assert axes.get_xscale() == "log"
    dots = [c for c in axes.collections if hasattr(c, "get_offsets") and len(c.get_offsets()) == 9]
    assert len(dots) == 2


def test_one_seed_has_no_interval() -> None:
    figure = accuracy_curves(*frames(1), "accuracy")
    words = texts(figure)
    assert any(word.startswith("1 seed per point") for word in words)
    assert not any("interval" in word for word in words)


def test_layers_that_keep_nothing_are_crosses() -> None:
    masks = {
        0.1: {"snip": {"a.weight": [5, 10], "b.weight": [1, 50]}},
        0.01: {"snip": {"a.weight": [0, 10], "b.weight": [1, 50]}},
    }
    figure = layer_densities(masks)
    words = texts(figure)
    assert {"10 % of all weights kept (dotted)", "1 % of all weights kept (dotted)"} <= set(words)
    assert {"a", "b", "snip"} <= set(words)
    upper, lower = figure.axes
    assert list(upper.get_lines()[0].get_ydata()) == [50, 2]
    assert list(lower.get_lines()[0].get_xdata()) == [1]
    assert [len(c.get_offsets()) for c in (upper.collections[0], lower.collections[0])] == [0, 1]
