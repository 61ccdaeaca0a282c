"""How agreement grows with the number of runs averaged: one panel per proxy."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from zcproxy.numerals import compact, count, missing
from zcproxy.plots.style import BLUE, GREY, ORANGE, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zcproxy.analysis.ranks import Floats

__all__ = ["reliability_panels"]

PER_ROW = 4
LONG = 18
"""A longer name, such as that of a combination, has lines of its own above its panel."""
GOAL = 0.95


def reliability_panels(curve: pd.DataFrame, varying: str) -> Figure:
    """Predicted and measured agreement of averages of m runs, proxies in the order given.

    `curve` comes from `analysis.stability`; only rows whose column `varying` is as given are drawn.
    """
    mine = curve[curve["varying"] == varying]
    names = list(dict.fromkeys(mine["proxy"]))
    columns = min(PER_ROW, len(names))
    lines = -(-len(names) // columns)
    low = min(
        0.0, float(mine[["predicted_low", "measured_low", "predicted"]].min().min(skipna=True))
    )
    with styled() as new_figure:
        figure = new_figure(max(3.6, 1.75 * columns), 1.5 * lines + 0.75)
        panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axes, name in zip(panels, names, strict=False):
            panel(axes, name, mine[mine["proxy"] == name])
            set_agreement_axis(axes, low)
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        figure.supxlabel(f"runs averaged (mean of ranks); they differ in {varying}", fontsize=8)
        figure.supylabel("Spearman of two averages", fontsize=8)
        handles = {
            label: handle
            for axes in panels
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(
            list(handles.values()), list(handles), loc="outside upper left", ncols=3, frameon=False
        )
    return figure


def set_agreement_axis(axes: Axes, low: float) -> None:
    """Even in the logarithm of what is lacking to 1, so that .99 and .999 are apart."""
    from matplotlib import ticker

    axes.set_yscale("function", functions=(nearness, agreement_at))
    axes.set_ylim(low - 0.02, 1)
    axes.yaxis.set_major_locator(ticker.FixedLocator([t for t in TICKS if t >= low]))
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: compact(f"{value:g}")))
    axes.yaxis.set_minor_locator(ticker.NullLocator())


TICKS = (0, 0.8, 0.95, 0.99, 0.999, 1)
"""So far apart that no two labels touch in a small panel."""


def nearness(agreement: Floats) -> Floats:
    """-log10 of what is lacking to 1, at least 1e-4."""
    return np.asarray(-np.log10(np.maximum(1 - np.asarray(agreement), LEAST)))


def agreement_at(value: Floats) -> Floats:
    """The agreement of that nearness."""
    return np.asarray(1 - 10 ** (-np.asarray(value)))


LEAST = 1e-4
"""Agreements above .9999 are drawn at the upper edge."""


def panel(axes: Axes, name: str, rows: pd.DataFrame) -> None:
    """One proxy: the predicted curve with its band, measured points with their bars."""
    n = count(rows["n"].iloc[0])
    title = f"{name}, $n$ = {n}"
    if len(name) > LONG:
        title = "\n".join([*textwrap.wrap(name, LONG), f"$n$ = {n}"])
    axes.set_title(title, loc="left", fontsize=7.5)
    axes.axhline(GOAL, color=GREY, lw=0.6, ls=":", label=compact(f"{GOAL:g}"))
    axes.grid(axis="y", lw=0.4, color="#dddddd")
    axes.set_axisbelow(True)
    axes.set_xticks([1, 2, 4, 6, 8, 10])
    known = rows.dropna(subset=["predicted"])
    if known.empty:
        axes.text(0.5, 0.5, "no agreement", ha="center", transform=axes.transAxes, color=GREY)
        return
    x = known["averaged"].astype(float)
    axes.plot(x, known["predicted"].astype(float), color=BLUE, lw=1.1, label="predicted (95 %)")
    if not missing(known["predicted_low"].iloc[0]):
        low, high = (known[f"predicted_{end}"].astype(float) for end in ("low", "high"))
        axes.fill_between(x, low, high, color=BLUE, alpha=0.18, lw=0)
    seen = rows.dropna(subset=["measured"])
    x, y = seen["averaged"].astype(float), seen["measured"].astype(float)
    axes.scatter(x, y, 13, color=ORANGE, zorder=3, lw=0, clip_on=False, label="measured (95 %)")
    bars = seen.dropna(subset=["measured_low"])
    low, high = (bars[f"measured_{end}"].astype(float) for end in ("low", "high"))
    axes.vlines(bars["averaged"].astype(float), low, high, color=ORANGE, lw=1.1)
