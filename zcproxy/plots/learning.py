"""How well models rank by the number of labels that they were trained on: one panel per model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from zcproxy.numerals import compact, count
from zcproxy.plots.curves import COLORS, MARKERS
from zcproxy.plots.style import styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["learning_panels"]

LINES = ("--", ":", "-.")
"""How scores that need no label are told apart."""


def learning_panels(table: pd.DataFrame, beside: pd.DataFrame, accuracy_label: str) -> Figure:
    """Spearman against the number of labels, a line per set of features with its band of draws.

    `table` and `beside` come from `analysis.supervised`. A score that needs no label is a
    horizontal line at its Spearman over all architectures.
    """
    models = list(dict.fromkeys(table["model"]))
    counts = sorted(set(table["labels"]))
    with styled() as new_figure:
        figure = new_figure(max(3.8, 2.9 * len(models)), 3.1)
        panels = figure.subplots(1, len(models), squeeze=False, sharey=True).ravel()
        for axes, model in zip(panels, models, strict=True):
            mine = table[table["model"] == model]
            for number, name in enumerate(dict.fromkeys(mine["features"])):
                curve(axes, mine[mine["features"] == name], number, str(name))
            without_labels(axes, beside)
            axes.set_xscale("log")
            axes.set_xticks(counts, [count(n) for n in counts])
            axes.xaxis.minorticks_off()
            axes.yaxis.set_major_formatter(lambda value, _: compact(f"{value:.2f}"))
            axes.grid(axis="y", lw=0.4, color="#dddddd")
            axes.set_axisbelow(True)
            axes.set_title(str(model).replace("_", " "), loc="left")
        n = " to ".join(dict.fromkeys((count(table["n"].min()), count(table["n_most"].max()))))
        draws = int(table["draws"].max())
        spread = f"mean and 95 % of {draws} draws" if draws > 1 else "one draw"
        figure.supxlabel(f"accuracies trained on; {spread}", fontsize=8)
        figure.supylabel(f"Spearman with {accuracy_label},\nheld out $n$ = {n}", fontsize=8)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False)
    return figure


def curve(axes: Axes, rows: pd.DataFrame, number: int, name: str) -> None:
    """One set of features: means, and the band of the draws where there are several."""
    known = rows.dropna(subset=["spearman"]).sort_values("labels")
    color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
    x = known["labels"].to_numpy(dtype=float)
    mean, low, high = (
        known[column].to_numpy(dtype=float, na_value=np.nan)
        for column in ("spearman", "spearman_low", "spearman_high")
    )
    axes.plot(x, mean, color=color, marker=marker, ms=4, lw=1.1, label=f"trained on {name}")
    axes.fill_between(x, low, high, color=color, alpha=0.15, lw=0)


def without_labels(axes: Axes, beside: pd.DataFrame) -> None:
    """A line across for every score that needs no label."""
    known = beside.dropna(subset=["spearman_all"]).drop_duplicates("beside")
    for number, (_, row) in enumerate(known.iterrows()):
        style = LINES[number % len(LINES)]
        label = f"{row['beside']}, no label"
        axes.axhline(float(row["spearman_all"]), color="black", lw=0.9, ls=style, label=label)
