"""Which of our runs a published number is compared with, and what makes the scores that lack."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from zcproxy import proxies
from zcproxy.analysis import Combination
from zcproxy.datasets.catalogue import stands_for
from zcproxy.protocols import NOISE, get
from zcproxy.reproduction.material import SAMPLED, SPACE, Scored, counted, size
from zcproxy.reproduction.published import Published

__all__ = ["Missing", "batch_matters", "chosen", "images_matter", "implemented", "missing"]


_Run = tuple[str, str, int | None]
"""Data set, protocol and batch size of scores to be made; None is the protocol's."""


@dataclass(frozen=True)
class Missing:
    """Scores that a table needs and nobody has made, or not all of them.

    `batch_size` is theirs where it is not that of the protocol.
    """

    dataset: str
    protocol: str
    proxies: tuple[str, ...]
    batch_size: int | None = None

    @property
    def command(self) -> str:
        """The command that makes them, and resumes."""
        words = ["zcproxy", "score", "--space", SPACE, "--dataset", self.dataset]
        words += ["--protocol", self.protocol, "--proxies", ",".join(self.proxies)]
        words += [] if self.batch_size is None else ["--batch-size", str(self.batch_size)]
        return shlex.join(words)


def implemented(wanted: Published) -> bool:
    """Whether we have all proxies of a published number, and a protocol for it."""
    return bool(wanted.protocols) and set(members(wanted)) <= set(proxies.names())


def members(wanted: Published) -> list[str]:
    """The proxies that a published number is of."""
    return list(Combination.parse(wanted.proxy).members)


def chosen(wanted: Published, material: Sequence[Scored]) -> Scored | None:
    """The run to compare a published number with, or None.

    Of the runs under one of its protocols on its data set, or on one that stands for it: one that
    has all of the subset scored, or a random sample that can be compared. Of these, as far as it
    matters to the proxy, one on the data set itself and of their batch size; then the one that has
    most of the subset, the protocol named first, and the lowest seeds. Where no run has enough, the
    one that has most. Counts need no run.
    """
    if set(members(wanted)) <= set(proxies.COUNTS):
        return counted(wanted.dataset)
    usable = [scored for scored in material if _fits(wanted, scored)]
    return min(usable, key=lambda scored: _preference(wanted, scored), default=None)


def _fits(wanted: Published, scored: Scored) -> bool:
    run = scored.run
    return (
        run.get("protocol") in wanted.protocols
        and stands_for(str(run.get("dataset"))) == wanted.dataset
        and all(scored.has(proxy) for proxy in members(wanted))
        and scored.covered(wanted.proxy, wanted.subset) > 0
    )


def _preference(wanted: Published, scored: Scored) -> tuple[Any, ...]:
    run = scored.run
    elsewhere = run.get("dataset") != wanted.dataset
    other_size = run.get("batch_size") != wanted.batch_size
    covered = scored.covered(wanted.proxy, wanted.subset)
    enough = covered == size(wanted.subset) or (
        wanted.statistic in SAMPLED and bool(scored.sampled(wanted.proxy, wanted.subset))
    )
    return (
        not enough,
        0 if enough else -covered,
        elsewhere and images_matter(wanted.proxy, scored),
        other_size and batch_matters(wanted.proxy),
        -covered,
        wanted.protocols.index(run["protocol"]),
        elsewhere,
        other_size,
        run.get("seed", 0),
        run.get("batch_seed", 0),
        str(run.get("key")),
    )


def batch_matters(proxy: str) -> bool:
    """Whether a score by a proxy or a combination would be another one on another batch."""
    return not set(Combination.parse(proxy).members) <= set(proxies.without_batch())


def images_matter(proxy: str, scored: Scored) -> bool:
    """Whether a score by a proxy would be another one on other images of the same shape."""
    return batch_matters(proxy) and get(str(scored.run["protocol"])).inputs != NOISE


def missing(
    wanted: Iterable[Published], material: Sequence[Scored], datasets: dict[str, str]
) -> list[Missing]:
    """What has to be scored: by data set, protocol and batch, the proxies that no run has in full.

    `datasets` names for a data set the one to score in its place, where its images are not here. A
    run that is begun is gone on with where it can be compared as well as a new one.
    """
    lacking: dict[_Run, dict[str, _Run]] = {}  # and the run that a proxy would be in otherwise
    for row in wanted:
        place = datasets.get(row.dataset, row.dataset)
        if not implemented(row):
            continue
        begun = chosen(row, material)
        if _complete(row, begun, place):
            continue
        known = lacking.setdefault((place, *_how(row, begun, place)), {})
        for name in members(row):
            if name not in proxies.COUNTS:
                known.setdefault(name, (place, row.protocols[0], row.images))
    found = []
    for run, names in lacking.items():
        own = [n for n, new in names.items() if new == run or n not in lacking.get(new, {})]
        if own:
            found.append(Missing(run[0], run[1], tuple(own), run[2]))
    return found


def _how(row: Published, begun: Scored | None, place: str) -> tuple[str, int | None]:
    """Protocol and batch size to score with: of the run begun, or of the protocol named first.

    The batch size is None where it is the protocol's own.
    """
    if begun is not None and _as_good(row, begun, place):
        protocol, images = str(begun.run["protocol"]), begun.run["batch_size"]
        return protocol, None if images == get(protocol).batch_size else int(images)
    return row.protocols[0], row.images


def _as_good(row: Published, begun: Scored, place: str) -> bool:
    """Whether a run, once it is whole, is compared as well as one made anew."""
    run = begun.run
    if run["dataset"] != place or run.get("seed", 0) or run.get("batch_seed", 0):
        return False
    never = place != row.dataset and images_matter(row.proxy, begun)
    return never or run["batch_size"] == row.batch_size or not batch_matters(row.proxy)


def _complete(row: Published, scored: Scored | None, place: str) -> bool:
    """Whether a run has all that can be scored here for a published number."""
    if scored is None:
        return False
    if set(members(row)) <= set(proxies.COUNTS):
        return True
    if scored.covered(row.proxy, row.subset) < size(row.subset):
        return False
    return scored.run["dataset"] in (row.dataset, place) or not images_matter(row.proxy, scored)
