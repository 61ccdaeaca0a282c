"""How much every layer keeps: layer-wise densities, one panel per density of the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zcproxy.plots.curves import COLORS, MARKERS
from zcproxy.plots.style import styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["layer_densities"]

Layers = Mapping[str, Sequence[float]]
"""Weights kept (perhaps a mean over seeds) and weights, [kept, total], by name of the layer."""


def layer_densities(masks: Mapping[float, Mapping[str, Layers]]) -> Figure:
    """The share of its weights every layer keeps, in network order, on a log scale.

    A layer that keeps nothing is a cross at the bottom.

    Args:
        masks: for every density, the layers of every method's mask, by the method's name.
    """
    from matplotlib.ticker import FuncFormatter

    densities = sorted(masks, reverse=True)
    names = list(next(iter(masks[densities[0]].values())))
    methods = list(dict.fromkeys(method for d in densities for method in masks[d]))
    lowest = _lowest(masks)
    with styled() as new_figure:
        figure = new_figure(1.6 + max(3.4, 0.26 * len(names)), 0.9 + 1.35 * len(densities))
        panels = figure.subplots(len(densities), 1, sharex=True, squeeze=False)[:, 0]
        for axes, density in zip(panels, densities, strict=True):
            for method, layers in masks[density].items():
                _line(axes, layers, methods.index(method), lowest, method)
            axes.axhline(100 * density, color="black", lw=0.6, ls=":")
            axes.set_yscale("log")
            axes.set_ylim(lowest / 2.5, 160)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:g}"))
            axes.set_title(f"{100 * density:.4g} % of all weights kept (dotted)", loc="left")
        panels[-1].set_xticks(range(len(names)), [_short(n) for n in names], rotation=90)
        figure.supylabel("weights kept in the layer (%); × none", fontsize=8)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", frameon=False)
    return figure


def _line(axes: Axes, layers: Layers, number: int, lowest: float, method: str) -> None:
    color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
    shares = [100 * kept / total for kept, total in layers.values()]
    places = [i for i, share in enumerate(shares) if share]
    axes.plot(places, [shares[i] for i in places], color=color, marker=marker, ms=3, lw=0.9)
    axes.plot([], [], color=color, marker=marker, ms=3, lw=0.9, label=method)
    empty = [i for i, share in enumerate(shares) if not share]
    axes.scatter(empty, [lowest / 1.6] * len(empty), 16, color=color, marker="x", lw=1)


def _lowest(masks: Mapping[float, Mapping[str, Layers]]) -> float:
    """The least share above 0 in any mask, in percent."""
    return min(
        (
            100 * kept / total
            for methods in masks.values()
            for layers in methods.values()
            for kept, total in layers.values()
            if kept
        ),
        default=1.0,
    )


def _short(name: str) -> str:
    return name.removesuffix(".weight")
