"""Score against accuracy: one panel per proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from zcproxy.numerals import count, estimate
from zcproxy.plots.scales import set_accuracy_axis, set_score_axis
from zcproxy.plots.style import BLUE, GREY, MINUS, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zcproxy.analysis.ranks import Floats

__all__ = ["score_panels"]

PANELS_PER_ROW = 4
FEW = 1500
"""Up to so many architectures are drawn one by one, more as counts per cell."""
CELLS = 60
"""Cells across and up a panel."""


def score_panels(
    scores: pd.DataFrame, accuracies: pd.Series[float], table: pd.DataFrame, accuracy_label: str
) -> Figure:
    """Score against accuracy, one panel per row of `table`, best Spearman first.

    `scores` is indexed like `accuracies` by architecture, with one float column per proxy; `table`
    comes from `analysis.agreement_table`. An axis of scores is linear, log or symlog as
    `score_scale` says and leaves out at most 0.2 % at each end; accuracies may be spread
    by `error_scale`. More than 1,500 architectures are drawn as counts per cell.
    """
    rows = table.sort_values("spearman", ascending=False, na_position="last", kind="stable")
    columns = min(PANELS_PER_ROW, len(rows))
    lines = -(-len(rows) // columns)
    truth = np.asarray(accuracies, dtype=np.float64)
    with styled() as new_figure:
        figure = new_figure(max(4.0, 1.85 * columns), 1.85 * lines + 0.5)
        axes = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
        set_accuracy_axis(axes[0], truth)
        meshes = []
        for panel, (_, row) in zip(axes, rows.iterrows(), strict=False):
            x = scores[row["proxy"]].to_numpy(dtype=float)
            known = ~np.isnan(x)
            meshes += draw_scores(panel, x[known], truth[known], max(10.0, len(truth) / 50))
            title_panel(panel, row)
        for panel in axes[len(rows) :]:
            panel.set_visible(False)
        figure.supylabel(accuracy_label, fontsize=8)
        figure.supxlabel("score of the untrained network", fontsize=8)
        if meshes:
            bar = figure.colorbar(meshes[0], ax=list(axes), aspect=45, pad=0.01, extend="max")
            bar.set_label("architectures per cell")
    return figure


def draw_scores(panel: Axes, x: Floats, y: Floats, most: float) -> list[Any]:
    """The cloud of one proxy; returns the mesh that a color bar explains, if there is one."""
    if len(x) == 0:
        panel.text(0.5, 0.5, "no value", ha="center", transform=panel.transAxes, color=GREY)
        panel.set_xticks([])
        return []
    set_score_axis(panel, x)
    if len(x) <= FEW:
        panel.scatter(x, y, s=6, color=BLUE, alpha=0.5, linewidths=0, rasterized=True)
        return []
    return [draw_counts(panel, x, y, most)]


def draw_counts(panel: Axes, x: Floats, y: Floats, most: float) -> Any:
    """How many architectures fall in every cell of a grid that is even on the drawn scales."""
    from matplotlib.colors import LogNorm

    across = edges(panel.xaxis.get_transform(), *panel.get_xlim())
    up = edges(panel.yaxis.get_transform(), *panel.get_ylim())
    counts, _, _ = np.histogram2d(x, y, bins=[across, up])
    cells = np.ma.masked_equal(counts.T, 0)
    norm = LogNorm(1, most)
    return panel.pcolormesh(across, up, cells, norm=norm, cmap="viridis_r", rasterized=True)


def edges(transform: Any, low: float, high: float) -> Floats:
    """Borders of the cells between two limits, evenly spaced once transformed."""
    start, end = transform.transform(np.array([low, high]))
    return np.asarray(transform.inverted().transform(np.linspace(start, end, CELLS + 1)))


def title_panel(panel: Axes, row: pd.Series[Any]) -> None:
    """Name, Spearman with interval, n and failures above a panel."""
    rho = estimate(row["spearman"], row["spearman_low"], row["spearman_high"], 2)
    text = f"$n$ = {count(row['n'])}"
    if row["failures"]:
        text += f", {count(row['failures'])} failed"
    title = f"$\\rho$ = {rho}\n{text}".replace("-", MINUS)
    panel.set_title(title, fontsize=7, loc="left", linespacing=1.25)
    name: Any = {"fontsize": 8.5, "fontweight": "bold", "ha": "left", "va": "bottom"}
    panel.annotate(
        row["proxy"], (0, 1), (0, 22), "axes fraction", textcoords="offset points", **name
    )
