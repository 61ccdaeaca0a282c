"""Methods by densities by seeds: which cells there are, and what they say together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from zcproxy.analysis.seeds import mean_interval
from zcproxy.errors import InputError
from zcproxy.experiments.cells import DENSE, Cell, Trained

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["checked_densities", "grid", "summary", "table"]

GROUP = ["model", "method", "control", "density"]


def grid(
    model: str, methods: Sequence[str], densities: Sequence[float], seeds: Sequence[int]
) -> list[Cell]:
    """The dense network and every method at every density, seed after seed.

    Raises: InputError for no seed, no density, or one outside (0, 1].
    """
    if not seeds:
        raise InputError("an experiment needs at least one seed")
    checked = checked_densities(densities)
    return [
        cell
        for seed in seeds
        for cell in (
            Cell(model, DENSE, 1.0, seed),
            *(Cell(model, method, d, seed) for method in methods for d in checked),
        )
    ]


def checked_densities(densities: Sequence[float]) -> list[float]:
    """Densities from high to low, each once.

    Raises: InputError for none, or one outside (0, 1].
    """
    wrong = [density for density in densities if not 0 < density <= 1]
    if wrong or not densities:
        raise InputError(
            f"a density is the fraction of weights kept, above 0 and at most 1, not {wrong}"
            if wrong
            else "an experiment needs at least one density"
        )
    return sorted(set(densities), reverse=True)


def table(trained: Iterable[Trained]) -> pd.DataFrame:
    """One row per trained cell; `layers` stays out, `collapsed` is the names joined by spaces."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for one in trained:
        row = {name: value for name, value in vars(one).items() if name != "layers"}
        rows.append({**row, "collapsed": " ".join(one.collapsed)})
    columns = [name for name in Trained.__dataclass_fields__ if name != "layers"]
    return pd.DataFrame(rows, columns=columns)


def summary(cells: pd.DataFrame) -> pd.DataFrame:
    """Over the seeds of every model, method, control and density.

    Columns: `seeds`, `accuracy` (mean, percent) with Student's 95 % interval `low` and `high`
    (cut off at 0 and 100), the
    worst and best seed, `loss` (points below the mean of the dense network, nan without one),
    `kept` and `effective` (means), and in how many seeds a layer `collapsed`.
    """
    import pandas as pd

    dense = cells[cells["method"] == DENSE].groupby("model")["accuracy"].mean()
    rows = []
    for key, group in cells.groupby(GROUP, sort=False):
        found = group["accuracy"]
        low, high = (min(max(end, 0.0), 100.0) for end in mean_interval(found))
        named = dict(zip(GROUP, key, strict=True))
        rows.append(
            {
                **named,
                "seeds": len(group),
                "accuracy": found.mean(),
                "low": low,
                "high": high,
                "worst": found.min(),
                "best": found.max(),
                "loss": dense.get(named["model"], float("nan")) - found.mean(),
                "kept": group["kept"].mean(),
                "effective": group["effective"].mean(),
                "collapsed": int((group["collapsed"] != "").sum()),
            }
        )
    return pd.DataFrame(rows)
