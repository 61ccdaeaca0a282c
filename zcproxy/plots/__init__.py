"""Pictures of agreement, made to be read in a paper: n, interval, units, a color-blind palette.

Every function returns a matplotlib Figure that belongs to no window: the global backend and the
caller's rcParams stay as they are.
"""

from zcproxy.plots.dots import agreement_dots
from zcproxy.plots.heat import heat_map
from zcproxy.plots.panels import score_panels
from zcproxy.plots.style import save

__all__ = ["agreement_dots", "heat_map", "save", "score_panels"]
