"""Ours beside a published number, and the verdict."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zcproxy.analysis import Combination, agreement, vote_share
from zcproxy.analysis.selection import best_share
from zcproxy.errors import MeasureError
from zcproxy.numerals import compact, decimal
from zcproxy.protocols import batch_in_words
from zcproxy.reproduction.choice import batch_matters, chosen, images_matter, implemented
from zcproxy.reproduction.material import SAMPLED, Scored, architectures, size
from zcproxy.reproduction.published import Published

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RULE", "TOLERANCE", "Cell", "cells"]

TOLERANCE = 0.03
BEST = 0.1

WIDEST = 0.1
"""An interval of a sample that is wider than this says too little for a verdict."""

RULE = (
    "reproduced: ours is at most .03 from the published value, or the published value lies in our "
    "95 % interval (over architectures); differs: neither. Of agreement with released scores: ours "
    "is at most .03 below the agreement of two of their own runs. Where they print absolute "
    "values, ours is shown with its sign and compared without. Both need images of the data set "
    "where the measure sees images, and every architecture of the subset scored, or a random "
    "sample of them, as a run that was stopped has scored, with an interval of at most .1. A "
    "sample, and another batch size than theirs, stand in the verdict."
)
"""What a verdict means."""


@dataclass(frozen=True)
class Cell:
    """A published number and ours.

    `n` architectures entered ours (or are scored, where that are not all), of the `of` that the
    subset has; it is a `sample` if they are a random one of these; `files`, `dataset` and `made`
    tell where the scores are from and how they were made; `batch` is our batch in words if it is of
    another size than theirs and that matters; `elsewhere` has ours with other accuracies, where
    theirs are a guess; `obstacle` is why the two are not compared, empty if they are. Numbers that
    do not exist are None.
    """

    published: Published
    ours: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    of: int = 0
    sample: bool = False
    dataset: str = ""
    made: str = ""
    files: tuple[str, ...] = ()
    batch: str = ""
    elsewhere: tuple[tuple[str, float], ...] = ()
    obstacle: str = ""

    @property
    def opposite(self) -> bool:
        """Whether they print absolute values and ours is negative."""
        return self.published.absolute and self.ours is not None and self.ours < 0

    @property
    def difference(self) -> float | None:
        """Ours minus the published value; of absolute values where they print those."""
        if self.ours is None or math.isnan(self.published.value):
            return None
        return (abs(self.ours) if self.published.absolute else self.ours) - self.published.value

    @property
    def differs(self) -> bool:
        """Whether the two were compared and found to differ."""
        return not self.obstacle and self.difference is not None and not self._near(self.difference)

    @property
    def verdict(self) -> str:
        """What `RULE` says of it."""
        if self.obstacle:
            return self.obstacle
        if self.ours is None:
            return "not scored"
        if self.difference is None:
            return "no published value"
        return (
            ("differs" if self.differs else "reproduced")
            + (" on a sample" if self.sample else "")
            + (" at another batch size" if self.batch else "")
            + (" but for the sign" if self.opposite and not self.differs else "")
        )

    def _near(self, difference: float) -> bool:
        allowed = TOLERANCE + 1e-9  # .03 is no binary number
        if self.published.statistic == "scores":
            within = self.sample and self.high is not None and self.high >= self.published.value
            return difference >= -allowed or within
        if abs(difference) <= allowed:
            return True
        if self.low is None or self.high is None:
            return False
        low, high = (-self.high, -self.low) if self.opposite else (self.low, self.high)
        return low <= self.published.value <= high

    @property
    def remarks(self) -> list[str]:
        """What has to be said of this cell: of batch, sign and guesses, and why it differs."""
        if self.obstacle or self.difference is None:
            return []
        row = self.published
        found = [
            f"ours: {self.batch}; theirs: {row.batch_size}" if self.batch else "",
            "they print absolute values, ours is negative" if self.opposite else "",
            row.note,
            row.reason if self.differs else "",
            self._elsewhere() if self.differs else "",
        ]
        return [text for text in found if text]

    def _elsewhere(self) -> str:
        """Ours with other accuracies, and the command that says so."""
        row = self.published
        if not self.elsewhere:
            return ""
        values = ", ".join(f"{compact(decimal(value))} with {c}" for c, value in self.elsewhere)
        if len(self.files) != 1:
            return f"ours is {values}"
        words = ["zcproxy", "correlate", self.files[0], "--proxies", row.proxy]
        words += ["--subset", row.subset, "--failures", row.failures]
        return f"ours is {values} ({shlex.join(words)} --accuracy COLUMN)"


def cells(
    wanted: Sequence[Published],
    material: Sequence[Scored],
    accuracies: pd.DataFrame,
    released: pd.DataFrame | None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Cell]:
    """A cell for every published number.

    Args:
        wanted: the published numbers.
        material: our scores, see `joined`.
        accuracies: the table of the benchmark, with the column `architecture`.
        released: the scores that NAS-Bench-Suite-Zero released, with the columns `index`,
            `dataset` and its proxies; None where they are not here.
        resamples, seed: of the bootstrap of the intervals; no intervals for 0.
        progress: called with the cells done and their number.
    """
    found: list[Cell] = []
    truths = accuracies.set_index("architecture")
    for row in wanted:
        found.append(_cell(row, material, truths, released, resamples, seed))
        progress(len(found), len(wanted))
    return found


def _cell(
    row: Published,
    material: Sequence[Scored],
    accuracies: pd.DataFrame,
    released: pd.DataFrame | None,
    resamples: int,
    seed: int,
) -> Cell:
    if not implemented(row):
        return Cell(row, obstacle="not implemented")
    scored = chosen(row, material)
    if scored is None:
        return Cell(row)
    other = _truth(row, accuracies, released)
    if isinstance(other, str):
        return Cell(row, obstacle=f"not comparable because {other}")
    about = _about(row, scored)
    there = scored.covered(row.proxy, row.subset)
    values = scored.values(row.proxy, row.subset, row.dataset)
    sample: list[str] = []
    if there < about["of"] and row.statistic in SAMPLED:
        sample = scored.sampled(row.proxy, row.subset)
    if there < about["of"] and not sample:
        lack = f"not comparable because only {there:,} of {about['of']:,} are scored"
        return Cell(row, n=there, obstacle=lack, **about)
    values = values.loc[sample] if sample else values
    try:
        ours, low, high, n = _statistic(row, scored, values, other, resamples, seed)
    except MeasureError as error:
        return Cell(row, obstacle=f"not comparable because {error}", **about)
    obstacle = (_too_small(low, high, n) if sample else "") or _obstacle(row, scored)
    cell = Cell(row, ours, low, high, n, sample=bool(sample), obstacle=obstacle, **about)
    return cell if not cell.differs else _with_others(cell, scored, values, accuracies)


def _about(row: Published, scored: Scored) -> dict[str, Any]:
    """Where scores are from and how they were made."""
    run = scored.run
    other_size = run.get("batch_size") != row.batch_size and batch_matters(row.proxy)
    return {
        "of": size(row.subset),
        "dataset": str(run["dataset"]),
        "made": scored.made,
        "files": scored.origin(row.proxy),
        "batch": batch_in_words(run) if other_size else "",
    }


def _too_small(low: float | None, high: float | None, n: int) -> str:
    """Why a sample is not compared, empty if it is."""
    if low is None or high is None:
        return "not comparable because a sample needs an interval"
    if high - low > WIDEST:
        return f"not comparable because the sample of {n:,} is too small"
    return ""


def _obstacle(row: Published, scored: Scored) -> str:
    if scored.run["dataset"] != row.dataset and images_matter(row.proxy, scored):
        return f"not comparable because the images are those of {scored.run['dataset']}"
    return ""


def _with_others(
    cell: Cell, scored: Scored, values: pd.Series[float], accuracies: pd.DataFrame
) -> Cell:
    """A cell with ours for the other accuracies that theirs may have been."""
    row = cell.published
    columns = [name for name in row.others if name in accuracies.columns]
    found = [(c, _statistic(row, scored, values, accuracies[c], 0, 0)[0]) for c in columns]
    return replace(cell, elsewhere=tuple(found))


THEIR_NAMES = {"jacob_cov": "jacov"}
THEIR_DATA = {"cifar10": "cifar10", "imagenet16-120": "ImageNet16-120"}


def _truth(
    row: Published, accuracies: pd.DataFrame, released: pd.DataFrame | None
) -> pd.Series[float] | str:
    """What the scores are compared with, by architecture, or why there is none."""
    if row.statistic != "scores":
        if row.accuracy not in accuracies.columns:
            return f"the table of accuracies has no column {row.accuracy}"
        truth: pd.Series[float] = accuracies[row.accuracy]
        return truth
    column = THEIR_NAMES.get(row.proxy, row.proxy)
    if released is None:
        return "the released scores are not here"
    if column not in released.columns:
        return f"the released scores have no column {column}"
    theirs = released[released["dataset"] == THEIR_DATA[row.dataset]]
    order = architectures("all")
    by_architecture: pd.Series[float] = theirs.set_index(
        theirs["index"].map(lambda index: order[index])
    )[column]
    return by_architecture


def _statistic(
    row: Published,
    scored: Scored,
    values: pd.Series[float],
    other: pd.Series[float],
    resamples: int,
    seed: int,
) -> tuple[float, float | None, float | None, int]:
    """Ours, its interval if there are resamples, and how many architectures it is of."""
    truth = other.reindex(values.index)
    if row.statistic == "concordance":
        return _concordance(row, scored, values, truth, resamples)
    if row.statistic == "top":
        truth = _best(truth)
        values = values[truth.index]
    found = agreement(values, truth, row.failures, resamples, seed)
    kendall = row.statistic == "kendall"
    ours = found.kendall if kendall else found.spearman
    interval = found.kendall_interval if kendall else found.spearman_interval
    if interval is None:
        return ours, None, None, found.n
    return ours, interval.low, interval.high, found.n


def _concordance(
    row: Published,
    scored: Scored,
    values: pd.Series[float],
    truth: pd.Series[float],
    resamples: int,
) -> tuple[float, float | None, float | None, int]:
    members = Combination.parse(row.proxy).proxies
    columns = [scored.values(p, row.subset, row.dataset).reindex(values.index) for p in members]
    known = np.asarray(values.notna() & truth.notna())
    share, (low, high) = vote_share([c[known] for c in columns], truth[known])
    n = int(known.sum())
    return (share, low, high, n) if resamples else (share, None, None, n)


def _best(truth: pd.Series[float]) -> pd.Series[float]:
    """The best tenth by accuracy, with all that tie with the last of them."""
    known = truth.dropna()
    return known[best_share(known, BEST)]
