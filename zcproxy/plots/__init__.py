"""Pictures made to be read in a paper: n, interval, units, a color-blind palette.

Every function returns a matplotlib Figure that belongs to no window: the global backend and the
caller's rcParams stay as they are.
"""

from zcproxy.plots.curves import accuracy_curves
from zcproxy.plots.dots import agreement_dots
from zcproxy.plots.heat import heat_map
from zcproxy.plots.layers import layer_densities
from zcproxy.plots.panels import score_panels
from zcproxy.plots.style import save

__all__ = [
    "accuracy_curves",
    "agreement_dots",
    "heat_map",
    "layer_densities",
    "save",
    "score_panels",
]
