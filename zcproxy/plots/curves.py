"""Accuracy against density, one curve per method or control, with intervals over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from zcproxy.plots.style import BLUE, GREEN, GREY, ORANGE, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLORS", "MARKERS", "accuracy_curves", "density_axis"]

COLORS = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#000000", GREY)
MARKERS = "osD^vP*X"
"""Of the palette of Okabe and Ito; a marker of its own tells curves apart without colors."""

APART = 1.025
"""Neighboring curves are drawn beside each other by this factor of density."""


def accuracy_curves(
    summary: pd.DataFrame, cells: pd.DataFrame, label: str, by: str = "method"
) -> Figure:
    """Mean accuracy of every method (or control) at every density, bars and dots for the seeds.

    Args:
        summary, cells: of `experiments.compare`, of one model.
        label: of the accuracy axis, without the unit.
        by: column that tells curves apart; the method `dense` becomes a line across.
    """
    dense = summary[summary["method"] == "dense"]
    pruned, dots = (frame[frame["method"] != "dense"] for frame in (summary, cells))
    seeds = int(summary["seeds"].max())
    with styled() as new_figure:
        figure = new_figure(5.6, 3.6)
        axes = figure.subplots()
        _dense(axes, dense)
        names = list(dict.fromkeys(pruned[by]))
        for number, name in enumerate(names):
            mine = pruned[pruned[by] == name].sort_values("density")
            beside = APART ** (number - (len(names) - 1) / 2)
            _curve(axes, mine, dots[dots[by] == name], number, beside, str(name))
        density_axis(axes, sorted(pruned["density"].unique()))
        axes.set_ylabel(f"{label} (%)")
        bars = "; bars: Student's 95 % interval of the mean" if seeds > 1 else ""
        axes.set_title(f"{seeds} seed{'s' if seeds > 1 else ''} per point, small dots{bars}")
        axes.grid(axis="y", lw=0.4, color="#dddddd")
        axes.set_axisbelow(True)
        figure.legend(loc="outside right upper", frameon=False)
    return figure


def density_axis(axes: Axes, densities: list[float]) -> None:
    """Densities in percent on a log scale, dense on the left."""
    axes.set_xscale("log")
    axes.set_xticks([100 * d for d in densities], [f"{100 * d:.4g}" for d in densities])
    axes.xaxis.minorticks_off()
    axes.invert_xaxis()
    axes.set_xlabel("density (% of weights kept)")


def _dense(axes: Axes, dense: pd.DataFrame) -> None:
    if dense.empty:
        return
    row = dense.iloc[0]
    axes.axhline(row["accuracy"], color=GREY, lw=0.9, ls="--", label="dense")
    if pd.notna(row["low"]):
        axes.axhspan(row["low"], row["high"], color=GREY, alpha=0.15, lw=0)


def _curve(
    axes: Axes, mine: pd.DataFrame, dots: pd.DataFrame, number: int, beside: float, name: str
) -> None:
    color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
    x = 100 * mine["density"] * beside
    axes.plot(x, mine["accuracy"], color=color, marker=marker, ms=4, lw=1.1, label=name)
    known = mine["low"].notna()
    axes.vlines(x[known], mine["low"][known], mine["high"][known], color=color, lw=1.1)
    axes.scatter(100 * dots["density"] * beside, dots["accuracy"], 7, color=color, alpha=0.6, lw=0)
