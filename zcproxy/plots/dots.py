"""All coefficients with their intervals, and the baseline: dots on lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from zcproxy.numerals import count, missing
from zcproxy.plots.style import BLUE, GREEN, ORANGE, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["agreement_dots"]

WIDTH = 7.4


def agreement_dots(table: pd.DataFrame, accuracy_label: str) -> Figure:
    """Spearman, Kendall and the partial correlation of every proxy, best first, with intervals.

    `table` comes from `analysis.agreement_table`; its baseline is drawn as a vertical band. Equal
    proxies stand one below the other in the order of the table.
    """
    best_first = table.sort_values("spearman", ascending=False, na_position="last", kind="stable")
    rows = best_first[::-1].reset_index(drop=True)  # an axis counts from below
    baseline = table.attrs.get("baseline")
    with styled() as new_figure:
        figure = new_figure(WIDTH, 0.34 * len(rows) + 1.15)
        axes = figure.subplots()
        draw_baseline(axes, rows, baseline)
        draw_estimates(axes, rows, "spearman", BLUE, "o", 0.16, "Spearman's $\\rho$")
        draw_estimates(axes, rows, "kendall", ORANGE, "s", -0.16, "Kendall's $\\tau_b$")
        if "partial" in rows:
            known = rows["partial"].notna().to_numpy()
            x = rows.loc[known, "partial"].to_numpy(dtype=float)
            label = f"partial $\\rho$ given {baseline}"
            y = np.flatnonzero(known)
            axes.scatter(x, y, 22, marker="D", ec=GREEN, fc="white", lw=1, label=label, zorder=3)
        axes.axvline(0, color="black", lw=0.6)
        axes.set_yticks(range(len(rows)), rows["proxy"])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.grid(axis="x", lw=0.4, color="#dddddd")
        axes.set_axisbelow(True)
        axes.set_xlabel(f"rank correlation with {accuracy_label}; bars: 95 % bootstrap interval")
        write_counts(axes, rows)
        figure.legend(loc="outside upper left", ncols=4, frameon=False, handletextpad=0.4)
    return figure


def draw_estimates(
    axes: Axes, rows: pd.DataFrame, name: str, color: str, marker: str, shift: float, label: str
) -> None:
    """One coefficient of every proxy that has it, with its interval."""
    known = rows[name].notna().to_numpy()
    y = np.flatnonzero(known) + shift
    value, low, high = (
        rows.loc[known, column].to_numpy(dtype=float, na_value=np.nan)
        for column in (name, f"{name}_low", f"{name}_high")
    )
    axes.hlines(y, low, high, color=color, lw=1.6)
    axes.scatter(value, y, 20, color=color, marker=marker, label=label, zorder=3, lw=0)


def draw_baseline(axes: Axes, rows: pd.DataFrame, baseline: str | None) -> None:
    """The baseline's Spearman as a dashed line with the interval as a band."""
    found = rows[rows["proxy"] == baseline]
    if found.empty or missing(found["spearman"].iloc[0]):
        return
    row = found.iloc[0]
    if not missing(row["spearman_low"]):
        axes.axvspan(row["spearman_low"], row["spearman_high"], color=BLUE, alpha=0.15, lw=0)
    axes.axvline(row["spearman"], color=BLUE, lw=0.8, ls="--", label=f"baseline {baseline}")


def write_counts(axes: Axes, rows: pd.DataFrame) -> None:
    """Columns n, ties and failures to the right of the axes, in line with the rows."""
    style: Any = {"ha": "right", "va": "center", "fontsize": 7, "clip_on": False}
    for place, name in ((1.085, "n"), (1.165, "ties"), (1.25, "failures")):
        axes.text(place, len(rows) - 0.25, name, transform=axes.get_yaxis_transform(), **style)
        for y, value in enumerate(rows[name]):
            axes.text(place, y, count(value), transform=axes.get_yaxis_transform(), **style)
