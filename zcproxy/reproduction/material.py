"""Our scores as published numbers are compared with them: one run each, and the files it is in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from zcproxy import proxies, spaces
from zcproxy.analysis import Combination, combine
from zcproxy.analysis.lacking import not_known
from zcproxy.errors import InputError
from zcproxy.kinds import FAILURE, NOT_SCORED
from zcproxy.protocols import batch_in_words, get
from zcproxy.sampling import FEWEST, beginning

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SAMPLED", "SPACE", "Scored", "architectures", "counted", "joined", "size"]

SPACE = "nasbench201"

SAMPLED = ("spearman", "kendall", "scores")
"""Statistics that are compared on a sample, too; the best tenth and pairs need all."""


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores of one configuration by architecture, and what the frame tells of the run.

    `files` names, for every proxy, the files that its scores are from.
    """

    frame: pd.DataFrame
    run: dict[str, Any]
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _covered: dict[tuple[str, str], int] = field(init=False, repr=False, default_factory=dict)
    _samples: dict[tuple[str, str], list[str]] = field(init=False, repr=False, default_factory=dict)
    _within: dict[str, pd.Series[bool]] = field(init=False, repr=False, default_factory=dict)

    @property
    def made(self) -> str:
        """How they were made, in words; empty for counts."""
        run = self.run
        if not run["protocol"]:
            return ""
        usual = get(str(run["protocol"])).batch_size
        own = "" if run.get("batch_size") == usual else f" (the protocol's own are {usual})"
        batch = f"{batch_in_words(run)}{own}, batch seed {run.get('batch_seed')}"
        return f"protocol {run['protocol']}, {batch}, seed of the weights {run.get('seed')}"

    def origin(self, proxy: str) -> tuple[str, ...]:
        """The files that the scores by a proxy or a combination are from."""
        members = Combination.parse(proxy).members
        return tuple(dict.fromkeys(f for name in members for f in self.files.get(name, ())))

    def has(self, proxy: str) -> bool:
        """Whether there are scores by a proxy, or it can be counted."""
        return proxy in proxies.COUNTS or proxy in self.frame.columns

    def covered(self, proxy: str, subset: str) -> int:
        """How many of a subset are scored by a proxy, or by all of a combination.

        A failure of the network is a score; what no run has reached, or what failed for a reason
        outside the network (`zcproxy.kinds.UNKNOWN`), is none.
        """
        if (proxy, subset) not in self._covered:
            self._covered[proxy, subset] = int(self._there(proxy, subset).sum())
        return self._covered[proxy, subset]

    def _there(self, proxy: str, subset: str) -> pd.Series[bool]:
        """Which rows are of a subset and scored by a proxy, or by all of a combination."""
        there = self._members(subset).copy()
        for name in Combination.parse(proxy).members:
            if name not in proxies.COUNTS:
                there &= _known(self.frame, name)
        return there

    def sampled(self, proxy: str, subset: str) -> list[str]:
        """Scored architectures of a subset that are a random sample of it; empty without one.

        See `zcproxy.sampling`; they are none if they are fewer than its `FEWEST`.
        """
        if (proxy, subset) not in self._samples:
            frame = self.frame.set_index("architecture")
            waiting: set[str] = set()
            for name in Combination.parse(proxy).members:
                if name + FAILURE in frame.columns:
                    waiting.update(frame.index[frame[name + FAILURE] == NOT_SCORED])
            known = set(self.frame["architecture"][self._there(proxy, subset)])
            order = beginning(architectures(subset), set(frame.index) - waiting)
            found = [name for name in order if name in known]
            self._samples[proxy, subset] = found if len(found) >= FEWEST else []
        return self._samples[proxy, subset]

    def _members(self, subset: str) -> pd.Series[bool]:
        """Which rows are of a subset."""
        if subset not in self._within:
            known = set(architectures(subset))
            self._within[subset] = self.frame["architecture"].map(lambda a: a in known).astype(bool)
        return self._within[subset]

    def values(self, proxy: str, subset: str, dataset: str) -> pd.Series[float]:
        """Scores of a subset by architecture, by a proxy or a combination; nan for a failure.

        What is not scored is not in it. Counts are those on `dataset`.
        """
        import pandas as pd

        members = list(architectures(subset))
        wanted = Combination.parse(proxy)
        asked = [text for name in wanted.members for text in (name, name + FAILURE)]
        kept = [text for text in self.frame.columns if text in asked]
        rows = self.frame[["architecture", *kept]].set_index("architecture").reindex(members)
        there = pd.Series(True, index=rows.index)
        columns: dict[str, Any] = {}
        for name in wanted.members:
            if name in proxies.COUNTS:
                columns[name] = _counts(dataset)[name].loc[members]
            else:
                columns[name] = rows[name]
                there &= _known(rows, name)
                if name + FAILURE in rows.columns:
                    columns[name + FAILURE] = rows[name + FAILURE]
        values = pd.DataFrame(columns, index=rows.index)[there]
        return combine(values, wanted)


def joined(frames: Iterable[tuple[str, pd.DataFrame]]) -> list[Scored]:
    """Tables of scores with their names, those of one configuration put together.

    Two tables of the same configuration may have other proxies or architectures; where both have a
    score that of the longer table counts, of equally long ones the first. Tables of different
    configurations stay apart.

    Raises: InputError for a table that does not tell how it was scored, or is of another space.
    """
    found: dict[str, Scored] = {}
    for name, frame in sorted(frames, key=lambda named: -len(named[1])):
        run = {str(field): value for field, value in frame.attrs.items()}
        if "key" not in run:
            raise InputError(
                f"{name} does not tell how it was scored, so it cannot be compared with published "
                "numbers; zcproxy score --out writes tables that do"
            )
        if run.get("space") != SPACE:
            raise InputError(f"{name} holds scores of {run.get('space')}, the tables {SPACE}'s")
        key = str(run["key"])
        before = found.get(key)
        found[key] = _named(name, frame, run) if before is None else _merged(before, name, frame)
    return list(found.values())


def _named(name: str, frame: pd.DataFrame, run: dict[str, Any]) -> Scored:
    return Scored(frame, run, dict.fromkeys(_scores(frame), (name,)))


def _merged(before: Scored, name: str, frame: pd.DataFrame) -> Scored:
    """Scores with another table of the same configuration; its name where it adds something."""
    import pandas as pd

    files = dict(before.files)
    rows = pd.Index(before.frame["architecture"]).get_indexer(pd.Index(frame["architecture"]))
    for proxy in _scores(frame):
        known = _known(frame, proxy).to_numpy()
        if proxy in before.frame.columns:
            there = _known(before.frame, proxy).to_numpy()
            known = known & ~((rows >= 0) & there[rows])
        if known.any():
            files[proxy] = tuple(dict.fromkeys((*files.get(proxy, ()), name)))
    return Scored(_together(before.frame, frame), before.run, files)


def _together(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Both tables as one; a score of the first, a failure too, stands before the second's."""
    import pandas as pd

    one, other = first.set_index("architecture"), second.set_index("architecture")
    rows = one.index.union(other.index, sort=False)
    both = pd.DataFrame(index=rows)
    for name in dict.fromkeys(_scores(one) + _scores(other)):
        value, failure = pd.Series(float("nan"), index=rows), pd.Series(None, rows, dtype="object")
        for frame in (other, one):
            if name not in frame.columns:
                continue
            known = frame.index[_known(frame, name)]
            value.loc[known] = frame[name].loc[known]
            failure.loc[known] = (
                frame[name + FAILURE].loc[known] if name + FAILURE in frame else None
            )
        failure[value.isna() & failure.isna()] = NOT_SCORED
        both[name], both[name + FAILURE] = value, failure
    return both.rename_axis("architecture").reset_index()


def _known(frame: pd.DataFrame, name: str) -> pd.Series[bool]:
    """Which rows have a score by a proxy, or a failure that is one of the network."""
    known = frame[name].notna()
    if name + FAILURE in frame.columns:
        known |= frame[name + FAILURE].notna() & ~not_known(frame, name)
    return known


def _scores(frame: pd.DataFrame) -> list[str]:
    names = [str(name) for name in frame.columns if name != "architecture"]
    return [name for name in names if not name.endswith(FAILURE)]


@cache
def architectures(subset: str) -> tuple[str, ...]:
    """The architectures of a subset, in the official order."""
    return tuple(spaces.get(SPACE).subset(subset))


def size(subset: str) -> int:
    """How many architectures a subset has."""
    return len(architectures(subset))


@cache
def _counts(dataset: str) -> pd.DataFrame:
    """All counts of all architectures on a data set, by architecture."""
    import pandas as pd

    space = spaces.get(SPACE)
    everything = architectures("all")
    return pd.DataFrame([space.counts(a, dataset) for a in everything], index=list(everything))


def counted(dataset: str) -> Scored:
    """What a space counts, as if it were a run."""
    import pandas as pd

    frame = pd.DataFrame({"architecture": architectures("all")})
    return Scored(frame, {"dataset": dataset, "protocol": ""})
