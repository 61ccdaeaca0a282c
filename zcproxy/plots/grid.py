"""A table of correlations as colored cells, every number written out."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from zcproxy.numerals import compact, decimal
from zcproxy.plots.style import MINUS, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["value_grid"]

COLUMN, ROW, LETTER = 0.52, 0.23, 0.062
"""Inches of a column, a row, and a letter of a row's name."""

NOTE = 0.058
"""Inches of a letter of the note, which is broken into lines that the picture has room for."""


def value_grid(
    values: pd.DataFrame,
    label: str,
    rules: Sequence[int] = (),
    lines: Sequence[int] = (),
    ends: tuple[float, float] = (-1.0, 1.0),
    note: str = "",
) -> Figure:
    """A frame of numbers as colored cells; a missing one is a grey cell with a dash.

    Args:
        values: rows and columns in the order drawn.
        label: what the numbers are, for the color bar.
        rules: a vertical rule stands before these columns.
        lines: a horizontal rule stands before these rows.
        ends: the numbers of the darkest colors; from 0 up the colors are of one kind.
        note: a line above, such as how many architectures there are.
    """
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    rows, columns = numbers.shape
    names = [str(name) for name in values.index]
    signed = ends[0] < 0
    with styled() as new_figure:
        width = LETTER * max(map(len, names)) + COLUMN * columns + 0.9
        width = max(3.4, width)
        above = textwrap.wrap(note, int((width - LETTER * max(map(len, names)) - 0.3) / NOTE))
        figure = new_figure(width, max(1.9, ROW * rows + 1.25 + 0.12 * (len(above) - 1)))
        axes = figure.subplots()
        axes.set_facecolor("#d9d9d9")
        colors = "RdBu" if signed else "Blues"
        image = axes.imshow(numbers, cmap=colors, vmin=ends[0], vmax=ends[1], aspect="auto")
        middle = (ends[0] + ends[1]) / 2
        for (i, j), value in np.ndenumerate(numbers):
            depth = abs(value - middle) if signed else value - middle
            dark = depth > (0.65 if signed else 0.15) * (ends[1] - middle)
            text = compact(decimal(round(value, 2) + 0.0, 2)).replace("-", MINUS)
            axes.text(
                j, i, text, ha="center", va="center", fontsize=7, color="white" if dark else "black"
            )
        axes.set_title("\n".join(above), loc="left", fontsize=7)
        axes.set_xticks(range(columns), [str(name) for name in values.columns])
        axes.tick_params(axis="x", rotation=45)
        for tick in axes.get_xticklabels():
            tick.set_horizontalalignment("right")
            tick.set_rotation_mode("anchor")
        axes.set_yticks(range(rows), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        for place in rules:
            axes.axvline(place - 0.5, color="black", lw=0.8)
        for place in lines:
            axes.axhline(place - 0.5, color="black", lw=0.8)
        bar = figure.colorbar(image, ax=axes, aspect=25, pad=0.02)
        bar.set_label(label)
        bar.outline.set_visible(False)
    return figure
