"""The look of all pictures, and how they are written to files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BLUE", "GREEN", "GREY", "MINUS", "ORANGE", "save", "styled"]

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
"""Of the palette of Okabe and Ito, distinguishable in every kind of color vision."""

STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.unicode_minus": True,
    "figure.dpi": 100,
    "savefig.dpi": 220,
    "svg.hashsalt": "zcproxy",
    "svg.fonttype": "path",
    "axes.formatter.use_mathtext": True,
}
MINUS = "\N{MINUS SIGN}"


@contextmanager
def styled() -> Iterator[Callable[[float, float], Figure]]:
    """A maker of figures (width, height in inches) in our style; the caller's style is kept."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield lambda width, height: Figure((width, height), layout="constrained")


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write `stem`.png and `stem`.svg; the same figure gives the same bytes. Returns the paths."""
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "svg")]
    metadata: list[dict[str, None]] = [{"Software": None}, {"Date": None, "Creator": None}]
    with styled():
        for path, fields in zip(paths, metadata, strict=True):
            figure.savefig(path, metadata=fields)
    return paths
