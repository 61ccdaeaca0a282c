"""Accuracy against cost: all architectures, the true front, and what proxies choose."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from zcproxy.numerals import count
from zcproxy.plots.curves import COLORS, MARKERS
from zcproxy.plots.scales import set_accuracy_axis
from zcproxy.plots.style import ORANGE, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["front_panels", "trade_panels"]

PER_ROW = 3
MOST = 6000
"""Of more architectures in the cloud, so many are drawn."""


def front_panels(
    clouds: Mapping[str, pd.DataFrame],
    fronts: pd.DataFrame,
    proxies: Sequence[str],
    units: Mapping[str, str],
    accuracy_label: str,
    truth: str,
) -> Figure:
    """One panel per cost: architectures in grey, the true front, chosen ones by proxy.

    Args:
        clouds: by cost, a frame with the columns `value` (the cost) and `accuracy`.
        fronts: from `analysis.hardware`.
        proxies: whose choices to draw, up to eight.
        units: of every cost.
        accuracy_label: with its unit.
        truth: the name of the true front among the proxies of `fronts`.
    """
    names = list(clouds)
    columns = 2 if len(names) == 4 else min(PER_ROW, len(names))
    lines = -(-len(names) // columns)
    with styled() as new_figure:
        figure = new_figure(max(4.0, 2.45 * columns), 2.1 * lines + 0.7)
        panels = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
        set_accuracy_axis(panels[0], heights(clouds))
        for axes, name in zip(panels, names, strict=False):
            draw_cloud(axes, clouds[name])
            mine = fronts[fronts["cost"] == name]
            front(axes, mine[mine["proxy"] == truth])
            for number, proxy in enumerate(proxies):
                chosen(axes, mine[mine["proxy"] == proxy], number, proxy)
            axes.set_title(f"{name}, $n$ = {count(len(clouds[name]))}", loc="left")
            axes.set_xlabel(f"{name.rpartition('_')[2]} ({units[name]})")
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        figure.supylabel(accuracy_label, fontsize=8)
        legend_above(figure, panels[0])
    return figure


def legend_above(figure: Figure, axes: Axes) -> None:
    """The legend of a panel above all of them, in as many columns as the figure has room for."""
    handles, labels = axes.get_legend_handles_labels()
    longest = max((len(label) for label in labels), default=1)
    columns = max(1, int(figure.get_figwidth() / (0.45 + 0.062 * longest)))
    figure.set_figheight(figure.get_figheight() + 0.16 * (-(-len(labels) // columns) - 1))
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, frameon=False)


def trade_panels(
    cloud: pd.DataFrame,
    scores: pd.DataFrame,
    fronts: pd.DataFrame,
    cost: str,
    unit: str,
    accuracy_label: str,
    truth: str,
) -> Figure:
    """Score against accuracy against one cost: a panel per proxy, its scores' ranks as colors.

    Args:
        cloud: indexed by architecture, with the columns `value` (the cost) and `accuracy`.
        scores: indexed like `cloud`, one column per proxy, nan for a failure; in the order drawn.
        fronts: from `analysis.hardware`, of this cost alone.
        cost, unit: its name and unit.
        accuracy_label: with its unit.
        truth: the name of the true front among the proxies of `fronts`.
    """
    names = list(scores.columns)
    columns = min(PER_ROW, len(names))
    lines = -(-len(names) // columns)
    part = cloud if len(cloud) <= MOST else cloud.sample(MOST, random_state=0)
    ranks = scores.rank(pct=True)
    with styled() as new_figure:
        figure = new_figure(max(4.0, 2.3 * columns + 0.5), 2.0 * lines + 0.7)
        grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        panels = grid.ravel()
        set_accuracy_axis(panels[0], cloud["accuracy"].to_numpy(dtype=float))
        painted = None
        for axes, name in zip(panels, names, strict=False):
            rank = ranks[name].reindex(part.index)
            failed = part[rank.isna()]
            axes.scatter(failed["value"], failed["accuracy"], 2, color="#bbbbbb", lw=0)
            place: Any = {"lw": 0, "vmin": 0, "vmax": 1, "cmap": "viridis", "rasterized": True}
            painted = axes.scatter(part["value"], part["accuracy"], 2, c=rank, **place)
            front(axes, fronts[fronts["proxy"] == truth])
            points = fronts[fronts["proxy"] == name].groupby("value")["accuracy"].mean()
            axes.plot(points.index, points, "o-", color=ORANGE, ms=3, lw=0.9, label=BY_SCORE)
            n = count(int(scores[name].notna().sum()))
            axes.set_title("\n".join([*textwrap.wrap(str(name), 26), f"$n$ = {n}"]), loc="left")
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        for axes in panels[max(0, len(names) - columns) : len(names)]:
            axes.tick_params(labelbottom=True)
        figure.supxlabel(f"{cost} ({unit})", fontsize=8)
        figure.supylabel(accuracy_label, fontsize=8)
        assert painted is not None
        bar = figure.colorbar(painted, ax=list(panels), aspect=35, pad=0.01)
        bar.set_label("rank of the score (1 the highest)")
        legend_above(figure, panels[0])
    return figure


BY_SCORE = "front of score and cost"


def heights(clouds: Mapping[str, pd.DataFrame]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """All accuracies drawn."""
    return np.concatenate([cloud["accuracy"].to_numpy(dtype=float) for cloud in clouds.values()])


def draw_cloud(axes: Axes, cloud: pd.DataFrame) -> None:
    """All architectures, or a fixed random part of many."""
    part = cloud if len(cloud) <= MOST else cloud.sample(MOST, random_state=0)
    axes.scatter(part["value"], part["accuracy"], 2, color="#bbbbbb", lw=0, rasterized=True)


def front(axes: Axes, rows: pd.DataFrame) -> None:
    """The true front as steps: the best accuracy that so much money buys."""
    axes.step(
        rows["value"], rows["accuracy"], where="post", color="black", lw=0.9, label="true front"
    )


def chosen(axes: Axes, rows: pd.DataFrame, number: int, name: str) -> None:
    """What a proxy chooses, drawn at its accuracy; the mean where it chooses among ties."""
    color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
    style: Any = {"color": color, "marker": marker, "lw": 0, "zorder": 3, "alpha": 0.85}
    points = rows.groupby("value")["accuracy"].mean()
    axes.scatter(points.index, points, 13, label=f"{name} chooses", **style)
