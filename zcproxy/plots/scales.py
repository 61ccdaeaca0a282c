"""Axes on which scores of many orders of magnitude, and crowded accuracies, can be read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zcproxy.analysis.ranks import Floats

__all__ = ["Scale", "error_scale", "score_scale", "set_accuracy_axis", "set_score_axis"]


class Scale(NamedTuple):
    """An axis on which the values of one proxy can be read."""

    name: str
    threshold: float = 1.0


def score_scale(values: Floats) -> Scale:
    """linear, log or symlog, by how many orders of magnitude the middle 98 % of `values` span.

    `values` (n,) without nan. Over a factor of 30 between large and small magnitudes is too much
    for a linear axis, and so are outliers that `squeeze` the others, however few; log needs
    positive values (but for those left out of view), symlog is linear below the 25 % quantile of
    the magnitudes.
    """
    sizes = np.abs(values[values != 0])
    if len(sizes) == 0:
        return Scale("linear")
    small, quarter, large = np.quantile(sizes, [0.01, 0.25, 0.99])
    if shown(values)[0] > 0:
        return Scale("log") if large > 30 * small or squeeze(values) else Scale("linear")
    crowded = large > 30 * quarter or squeeze(values)
    return Scale("symlog", float(quarter)) if crowded else Scale("linear")


def squeeze(values: Floats) -> bool:
    """Whether a linear axis would leave the middle 90 % of the values less than a tenth of it.

    Fewer than 10 values have no middle.
    """
    low, high = shown(values)
    start = np.quantile(values, 0.05, method="higher")
    end = np.quantile(values, 0.95, method="lower")
    return bool(len(values) >= 10 and end - start < 0.1 * (high - low))


def shown(values: Floats) -> tuple[float, float]:
    """The values between which an axis reaches: all but at most 0.2 % at each end."""
    low = np.quantile(values, 0.002, method="lower")
    return float(low), float(np.quantile(values, 0.998, method="higher"))


def set_score_axis(panel: Axes, x: Floats) -> None:
    """Scale, limits and a few ticks for the scores `x`; a symlog axis says so below."""
    from matplotlib import ticker

    scale = score_scale(x)
    low, high = shown(x)
    if scale.name == "linear":
        margin = 0.04 * (high - low) or 0.5
        panel.set_xlim(low - margin, high + margin)
        panel.xaxis.set_major_locator(ticker.MaxNLocator(3))
        panel.ticklabel_format(axis="x", style="sci", scilimits=(-3, 4))
        return
    options = {"linthresh": scale.threshold} if scale.name == "symlog" else {}
    panel.set_xscale(scale.name, **options)
    if options:
        panel.set_xlabel("(symlog)", fontsize=7, labelpad=1)
    transform = panel.xaxis.get_transform()
    start, end = transform.transform(np.array([low, high]))
    margin = 0.04 * (end - start)
    panel.set_xlim(*transform.inverted().transform(np.array([start - margin, end + margin])))
    panel.xaxis.set_major_locator(ticker.FixedLocator(decades(panel, scale)))
    panel.xaxis.set_minor_locator(ticker.NullLocator())


def decades(panel: Axes, scale: Scale) -> list[float]:
    """Powers of ten, and 0 on a symlog axis, that lie far enough apart to be labeled."""
    low, high = panel.get_xlim()
    transform = panel.xaxis.get_transform()
    start, end = transform.transform(np.array([low, high]))
    powers = 10.0 ** np.arange(math.floor(math.log10(max(abs(low), abs(high)))), -300, -1)
    signed = [tick for power in powers if power >= scale.threshold for tick in (power, -power)]
    candidates = np.array([0.0, *signed] if scale.name == "symlog" else powers)
    candidates = candidates[(low <= candidates) & (candidates <= high)]
    places = (transform.transform(candidates) - start) / (end - start)
    chosen: list[int] = []
    for i, place in enumerate(places):
        if all(abs(place - places[j]) > 0.24 for j in chosen):
            chosen.append(i)
    return [float(tick) for tick in candidates[chosen]]


def error_scale(accuracies: Floats) -> bool:
    """True where the best half of the accuracies (percent) lies crowded under a long lower tail."""
    low, middle, high = np.quantile(accuracies, [0.01, 0.5, 1.0])
    return bool(high < 99.9 and low >= 0 and middle - low > 3 * (high - middle))


def set_accuracy_axis(panel: Axes, y: Floats) -> None:
    """Accuracies on a linear axis, or evenly in the logarithm of the error, 100 - accuracy."""
    from matplotlib import ticker

    low, high = np.quantile(y, [0.0, 1.0])
    if not error_scale(y):
        margin = 0.05 * (high - low) or 0.5
        panel.set_ylim(low - margin, high + margin)
        return
    panel.set_yscale("function", functions=(log_error, from_log_error))
    start, end = log_error(np.array([low, high]))
    margin = 0.05 * (end - start)
    panel.set_ylim(*from_log_error(np.array([start - margin, end + margin])))
    ticks = [t for t in (0, 10, 30, 50, 70, 80, 90, 95, 97, 98, 99) if low <= t <= high]
    panel.yaxis.set_major_locator(ticker.FixedLocator(ticks))
    panel.yaxis.set_minor_locator(ticker.NullLocator())


def log_error(accuracy: Floats) -> Floats:
    """-log10 of the error in percent: the higher, the better."""
    return np.asarray(-np.log10(np.maximum(100 - accuracy, 1e-3)))


def from_log_error(value: Floats) -> Floats:
    """The accuracy in percent whose log_error is `value`."""
    return np.asarray(100 - 10 ** (-value))
