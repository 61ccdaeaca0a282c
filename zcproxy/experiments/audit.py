"""Does a mask beat its own shuffle? A mask beside its controls, and the verdict in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zcproxy.analysis.seeds import Difference, paired
from zcproxy.errors import InputError
from zcproxy.experiments import controls
from zcproxy.experiments.cells import DENSE, MASK, Cell
from zcproxy.experiments.compare import checked_densities

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Verdict", "conclusion", "plan", "verdicts"]

LEVEL = 0.05
FEWEST = 6
"""Seeds with which a sign-flip test can come below `LEVEL`: 2 ** (1 - 6) = .03."""


@dataclass(frozen=True)
class Verdict:
    """The mask against one control, over pairs of the same seed; differences in points."""

    method: str
    density: float
    control: str
    difference: Difference

    @property
    def shown(self) -> int:
        """1 if the mask is shown to be better than the control, -1 if worse, else 0."""
        if self.difference.p > LEVEL:
            return 0
        return self.leaning

    @property
    def leaning(self) -> int:
        """The side of 0 on which the whole interval lies, 0 if it contains 0 or there is none."""
        return int(self.difference.low > 0) - int(self.difference.high < 0)

    @property
    def words(self) -> str:
        """One sentence."""
        d, what = self.difference, _against(self.control)
        if d.n < 2:
            return f"not shown: one seed cannot tell the mask from {what} ({d.mean:+.2f} points)"
        measured = (
            f"{d.mean:+.2f} points, 95 % interval [{d.low:+.2f}, {d.high:+.2f}], {d.n} seeds, "
            f"sign-flip p = {d.p:.2g}"
        )
        if not self.leaning:
            return f"not shown: the interval of mask minus {what} contains 0 ({measured})"
        side = "better" if self.leaning > 0 else "worse"
        if not self.shown:
            more = f"; {FEWEST} seeds are the fewest that can" if d.n < FEWEST else ""
            return (
                f"{side} in these seeds than {what}, but they cannot rule out chance "
                f"({measured}{more})"
            )
        return f"shown {side} than {what} ({measured})"


def plan(
    model: str,
    method: str,
    densities: Sequence[float],
    seeds: Sequence[int],
    against: Sequence[str] | None = None,
) -> list[Cell]:
    """The dense network, the mask and its controls at every density, seed after seed.

    Raises: InputError for an unknown control, no seed, or densities outside (0, 1].
    """
    chosen = controls.names() if against is None else list(against)
    for name in chosen:
        controls.check(name)
    if not seeds:
        raise InputError("an audit needs at least one seed")
    checked = checked_densities(densities)
    return [
        cell
        for seed in seeds
        for cell in (
            Cell(model, DENSE, 1.0, seed),
            *(Cell(model, method, d, seed, c) for d in checked for c in (MASK, *chosen)),
        )
    ]


def verdicts(cells: pd.DataFrame) -> list[Verdict]:
    """The mask against every control that was trained, at every density, seeds in pairs.

    Args:
        cells: of `compare.table`, of one model.
    """
    found = []
    masks = cells[(cells["method"] != DENSE) & (cells["control"] == MASK)]
    for (method, density), ours in masks.groupby(["method", "density"], sort=False):
        same = cells[(cells["method"] == method) & (cells["density"] == density)]
        for control in dict.fromkeys(same["control"]):
            pairs = ours.merge(same[same["control"] == control], on="seed")
            if control != MASK and len(pairs):
                difference = paired(pairs["accuracy_x"], pairs["accuracy_y"])
                found.append(Verdict(str(method), float(str(density)), str(control), difference))
    return found


def conclusion(found: Sequence[Verdict]) -> list[str]:
    """What all verdicts of one method at one density say together: a sentence or two."""
    by_control = {verdict.control: verdict.shown for verdict in found}
    lines = []
    if "shuffled" in by_control:
        lines.append(
            {
                1: "The mask beats its own shuffle: which weights it keeps within a layer matters.",
                0: "Not shown that the mask beats its own shuffle: how many weights each layer "
                "keeps may be all that it has to offer.",
                -1: "The mask is worse than its own shuffle: random weights in the same numbers "
                "per layer are the better choice.",
            }[by_control["shuffled"]]
        )
    if "reinitialized" in by_control:
        lines.append(
            {
                1: "It needs the initial weights it was made for.",
                0: "Not shown that it needs the initial weights it was made for.",
                -1: "It does better with other initial weights.",
            }[by_control["reinitialized"]]
        )
    if "erk" in by_control:
        lines.append(
            {
                1: "It beats random weights in ERK's layer ratios, which need no data and no "
                "gradient.",
                0: "Not shown that it beats random weights in ERK's layer ratios, which need no "
                "data and no gradient.",
                -1: "Random weights in ERK's layer ratios, which need no data and no gradient, "
                "are better.",
            }[by_control["erk"]]
        )
    return lines


def _against(control: str) -> str:
    return {
        "shuffled": "its shuffle",
        "reinitialized": "the mask on other initial weights",
        "inverted": "its inverse",
        "random": "random weights in its layer ratios",
        "erk": "random weights in ERK's layer ratios",
    }.get(control, control)
