"""How alike the proxies' rankings are: a heat map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from zcproxy.numerals import compact, decimal
from zcproxy.plots.style import MINUS, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["heat_map"]


def heat_map(correlations: pd.DataFrame) -> Figure:
    """Spearman's correlation between proxies, similar ones side by side, every cell written out.

    `correlations` comes from `analysis.proxy_correlations`.
    """
    from zcproxy.analysis import similarity_order

    names = similarity_order(correlations)
    values = correlations.loc[names, names].to_numpy(dtype=float, na_value=np.nan)
    side = 0.42 * len(names) + 1.1
    with styled() as new_figure:
        figure = new_figure(side + 0.7, side)
        axes = figure.subplots()
        image = axes.imshow(values, cmap="RdBu", vmin=-1, vmax=1, aspect="equal")
        for (i, j), value in np.ndenumerate(values):
            color = "white" if abs(value) > 0.65 else "black"
            axes.text(j, i, short(value), ha="center", va="center", fontsize=7, color=color)
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=30, pad=0.02)
        bar.set_label("Spearman's $\\rho$ between two proxies")
        bar.outline.set_visible(False)
    return figure


def short(value: float) -> str:
    """Two decimals without the zero before the point."""
    return compact(decimal(value, 2)).replace("-", MINUS)
