"""What becomes of rows where a proxy, or a member of a combination, has no value.

A missing value of which no kind is stated, as in a table of one's own without columns
`<proxy>_failure`, counts as a failure of the network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zcproxy.analysis.alignment import select_columns
from zcproxy.kinds import FAILURE, NOT_APPLICABLE, NOT_SCORED, UNKNOWN, kind_stated

__all__ = ["Lacking", "kinds", "lacking", "not_known", "not_scored"]

UNSTATED = "no reason stated"

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Lacking:
    """Rows without a combined score, and those that come last.

    `out` (rows x members) is True where a row has no combined score for want of this member;
    `failed`, of the same shape, where a member has failed and is taken for its lowest value.
    `unused` are the members that apply to no row and are left out for all.
    """

    out: pd.DataFrame
    failed: pd.DataFrame
    unused: tuple[str, ...]

    @property
    def rows(self) -> Flags:
        """Which rows have no combined score."""
        return np.asarray(self.out.any(axis=1), dtype=np.bool_)

    @property
    def last(self) -> pd.Series[bool]:
        """Which rows have a combined score although a member failed."""
        return self.failed.any(axis=1) & ~self.out.any(axis=1)

    def kinds(self, scores: pd.DataFrame) -> list[str | None]:
        """The kind of failure of every row without a combined score, None for the others.

        Of several members what is not known (`UNKNOWN`) comes first, then the order of the members.
        """
        return first_kinds(scores, self.out)

    def kinds_last(self, scores: pd.DataFrame) -> dict[str, int]:
        """How many rows come last for which kind of failure, each row counted once."""
        found = first_kinds(scores, self.failed.mul(self.last, axis=0))
        return dict(Counter(kind for kind in found if kind is not None).most_common())

    def reasons(self, scores: pd.DataFrame) -> list[str | None]:
        """Which members keep every row from a combined score and why, None where none does."""
        found: list[list[str]] = [[] for _ in range(len(self.out))]
        for name in self.out.columns:
            of = stated(scores, name)
            for row in np.flatnonzero(self.out[name]):
                found[row].append(f"{name}: {of[row]}")
        return ["; ".join(texts) or None for texts in found]


def lacking(scores: pd.DataFrame, members: Mapping[str, bool]) -> Lacking:
    """What the rows of `scores` lack of `members`, columns of it.

    `members` says of each whether its failures come last. Where they do not, a row without a
    value has no combined score. Where they do, it has none only if the member's score is not known
    there (`UNKNOWN`: not scored, crashed, ...), or if it is not applicable there while it has
    values elsewhere; a member without any value that is not applicable is left out for all. Where
    every member is left out, no row has a score. A missing value without a stated kind is a
    failure of the network, and comes last.

    Raises InputError for a member that is not a column.
    """
    values = select_columns(scores, members)
    out, failed, unused = {}, {}, []
    for name, last in members.items():
        missing = values[name].isna().to_numpy()
        kind = np.array([k or "" for k in kinds(scores, name)], dtype=object)
        waiting = not_known(scores, name)
        foreign = missing & (kind == NOT_APPLICABLE)
        if last and bool(missing.all()) and foreign.any():
            unused.append(name)
            foreign = np.zeros_like(foreign)
        out[name] = waiting | foreign if last else missing
        failed[name] = missing & ~out[name] & (name not in unused)
    if len(unused) == len(members):
        out = {name: values[name].isna().to_numpy() for name in members}
        unused = []
    frames = [pd.DataFrame(flags, index=scores.index, dtype=bool) for flags in (out, failed)]
    return Lacking(frames[0], frames[1], tuple(unused))


def first_kinds(scores: pd.DataFrame, flags: pd.DataFrame) -> list[str | None]:
    """The kind of failure of the first member flagged in every row, `UNKNOWN` before others."""
    found: list[str | None] = [None] * len(flags)
    for name in flags.columns:
        of = kinds(scores, str(name))
        for row in np.flatnonzero(flags[name]):
            if found[row] is None or (of[row] in UNKNOWN and found[row] not in UNKNOWN):
                found[row] = of[row]
    return found


def kinds(scores: pd.DataFrame, name: str) -> list[str | None]:
    """The kind of failure of a proxy in every row, None where it has a value.

    It is the first word of what the frame states, which may have a message behind a colon.
    """
    return [None if text is None else kind_stated(text) for text in stated(scores, name)]


def not_known(scores: pd.DataFrame, name: str) -> Flags:
    """In which rows a proxy or a combination has no value for a reason outside the network.

    These are the kinds `UNKNOWN` of `zcproxy.kinds`: not scored, crashed, ... A missing value
    without a stated kind is none of them.
    """
    found = scores[name].isna().to_numpy(dtype=bool, copy=True)
    if name + FAILURE not in scores.columns:
        return np.zeros_like(found)
    texts = scores[name + FAILURE][found]
    found[found] = [kind_stated(text) in UNKNOWN for text in texts]
    return found


def not_scored(scores: pd.DataFrame, name: str) -> Flags:
    """In which rows a proxy or a combination has no value as no run has come to them yet."""
    found = [kind == NOT_SCORED for kind in kinds(scores, name)]
    return np.array(found, dtype=np.bool_)


def stated(scores: pd.DataFrame, name: str) -> list[str | None]:
    """What the frame states of every failure of a proxy, None where it has a value."""
    column = scores[name + FAILURE] if name + FAILURE in scores.columns else [None] * len(scores)
    return [
        None if not lacks else UNSTATED if pd.isna(text) else str(text)
        for text, lacks in zip(column, scores[name].isna(), strict=True)
    ]
