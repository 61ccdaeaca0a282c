"""Do scores taken on one data set predict accuracies on another, or after shorter training?"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from zcproxy.analysis.agreement import spearman
from zcproxy.analysis.alignment import select_columns
from zcproxy.analysis.matrix import Progress, Rankings, ends, interval
from zcproxy.analysis.ranks import Floats
from zcproxy.analysis.rows import framed, number, spread
from zcproxy.analysis.table import Cells
from zcproxy.errors import InputError, MeasureError

__all__ = ["Transfer", "transfer"]


@dataclass(frozen=True, eq=False)
class Transfer:
    """What `transfer` finds: per proxy, data set and accuracy; and how accuracies agree.

    `between` says how a proxy's scores agree with its own on another data set; without rows where
    there is only one data set.
    """

    table: pd.DataFrame
    ceilings: pd.DataFrame
    between: pd.DataFrame


def transfer(
    scores: Mapping[str, pd.DataFrame],
    accuracies: pd.DataFrame,
    own: Mapping[str, str],
    proxies: Sequence[str],
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Transfer:
    """Spearman of scores from every data set with every accuracy, with 95 % bootstrap intervals.

    Args:
        scores: by the name of what was scored on, frames indexed by architecture with one float
            column per proxy, nan for a failure.
        accuracies: indexed by architecture, one column per accuracy.
        own: the accuracy column that belongs to every frame of `scores`.
        progress: called with resamples done and all.

    Compared are architectures with all of these accuracies; a proxy on those with a value.
    `table`: proxy, scored_on, accuracy, spearman with interval, lost (Spearman with the frame's own
    accuracy minus this one, paired in every resample) with interval, ceiling (Spearman of the own
    accuracy itself with this one: what the accuracy on that data set would reach; no bound, for a
    score may carry over better), n, failures, reason. `ceilings`: accuracy, other, spearman with
    interval, n, reason, over the architectures that any frame scores. `between`: proxy, scored_on,
    other, spearman of its scores on both with interval, n (with a value on both), failures (without
    one on either), reason, over the architectures of both frames, with and without accuracies.

    Raises InputError for an unknown proxy or column, or no architecture in common.
    """
    columns = [str(name) for name in accuracies.columns]
    for label, name in own.items():
        if name not in columns:
            raise InputError(f"the accuracy {name} of {label} is not among {', '.join(columns)}")
    truth = accuracies.dropna().astype(np.float64)
    pairs = list(itertools.combinations(scores, 2))
    total = (len(scores) + 1 + len(pairs)) * resamples
    done = 0

    def step(i: int, _: int) -> None:
        if progress is not None:
            progress(min(total, done + i), total)

    both = {
        label: frame.index.intersection(truth.index, sort=False) for label, frame in scores.items()
    }
    for label, shared in both.items():
        if shared.empty:
            raise InputError(f"no architecture scored on {label} has all of {', '.join(columns)}")
    scored = truth.index.isin(np.concatenate([shared.to_numpy() for shared in both.values()]))
    ceilings = own_agreement(truth[scored], resamples, seed, step)
    rows: list[Cells] = []
    for place, (label, frame) in enumerate(scores.items(), start=1):
        done, shared = place * resamples, both[label]
        values, here = select_columns(frame.loc[shared], proxies), truth.loc[shared]
        rows += scored_on(label, values, here, own[label], resamples, seed, step)
    again: list[Cells] = []
    for place, (one, other) in enumerate(pairs, start=len(scores) + 1):
        done = place * resamples
        again += with_itself(one, other, scores, proxies, resamples, seed)
        step(resamples, resamples)
    text, whole = ("proxy", "scored_on", "accuracy"), ("n", "failures")
    between = framed(again, ("proxy", "scored_on", "other"), whole)
    return Transfer(framed(rows, text, whole), ceilings, between)


def with_itself(
    one: str,
    other: str,
    scores: Mapping[str, pd.DataFrame],
    proxies: Sequence[str],
    resamples: int,
    seed: int,
) -> list[Cells]:
    """Every proxy's agreement with itself between two data sets."""
    shared = scores[one].index.intersection(scores[other].index, sort=False)
    left, right = (select_columns(scores[label].loc[shared], proxies) for label in (one, other))
    rows = []
    for name in left.columns:
        both = np.stack([left[name].to_numpy(float), right[name].to_numpy(float)])
        known = ~np.isnan(both).any(axis=0)
        cells = Cells(str(name))
        cells.values |= {"scored_on": one, "other": other}
        cells.add(
            ["spearman", "spearman_low", "spearman_high"],
            partial(repeated, both[:, known], resamples, seed),
        )
        cells.values |= {"n": int(known.sum()), "failures": int((~known).sum())}
        rows.append(cells)
    return rows


def repeated(both: Floats, resamples: int, seed: int) -> list[float | None]:
    """Spearman of two runs (2, n) of one proxy with its interval."""
    value = spearman(both[0], both[1])
    drawn = Rankings(list(both)).resampled(resamples, seed)
    return spread(value, interval(drawn[:, 0, 1]))


def own_agreement(truth: pd.DataFrame, resamples: int, seed: int, step: Progress) -> pd.DataFrame:
    """Spearman between all pairs of accuracies, where the scored architectures differ in both."""
    names = [str(name) for name in truth.columns]
    rankings = Rankings([truth[name].to_numpy() for name in names])
    found = rankings.matrix()
    low, high = ends(rankings.resampled(resamples, seed, step))
    rows = []
    for i, name in enumerate(names):
        for j in range(i + 1, len(names)):
            cells = Cells(name)
            cells.values |= {"other": names[j]}
            ends_of = number(low[i, j]), number(high[i, j])
            cells.add(
                ["spearman", "spearman_low", "spearman_high"],
                partial(existing, found[i, j], ends_of, len(truth)),
            )
            cells.values["n"] = len(truth)
            rows.append(cells)
    return framed(rows, ("proxy", "other")).rename(columns={"proxy": "accuracy"})


def existing(
    value: float, ends_of: tuple[float | None, float | None], n: int
) -> list[float | None]:
    """A correlation with its ends; raises MeasureError where it does not exist."""
    if np.isnan(value):
        raise MeasureError("degenerate", f"accuracies are all equal (n = {n:,})")
    return [float(value), *ends_of]


def scored_on(
    label: str,
    values: pd.DataFrame,
    truth: pd.DataFrame,
    own: str,
    resamples: int,
    seed: int,
    step: Progress,
) -> list[Cells]:
    """All rows of one frame of scores; proxies with the same failures share their resamples."""
    groups: dict[bytes, list[str]] = {}
    for name in values.columns:
        groups.setdefault(values[name].notna().to_numpy().tobytes(), []).append(str(name))
    rows: dict[str, list[Cells]] = {}
    for mask, names in groups.items():
        here = np.frombuffer(mask, dtype=bool)
        sides = {name: truth[name].to_numpy()[here] for name in map(str, truth.columns)}
        columns = [*sides.values(), *(values[name].to_numpy()[here] for name in names)]
        if here.sum() < 2:
            found = np.full((len(columns), len(columns)), np.nan)
            drawn = found[None]
        else:
            rankings = Rankings(columns)
            found, drawn = rankings.matrix(), rankings.resampled(resamples, seed, step)
        for at, name in enumerate(names, start=len(sides)):
            rows[name] = [
                accuracy_row(name, label, at, list(sides), column, own, found, drawn, here)
                for column in sides
            ]
    return [row for name in values.columns for row in rows[str(name)]]


def accuracy_row(
    name: str,
    label: str,
    at: int,
    columns: list[str],
    column: str,
    own: str,
    found: Floats,
    drawn: Floats,
    here: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> Cells:
    """A proxy's scores on one data set against one accuracy."""
    i, mine = columns.index(column), columns.index(own)
    cells = Cells(name)
    cells.values |= {"scored_on": label, "accuracy": column}

    def require() -> None:
        if np.isnan(found[at, i]):
            raise MeasureError(
                "degenerate", f"scores or accuracies are all equal (n = {int(here.sum()):,})"
            )

    def simple() -> list[float | None]:
        require()
        return spread(number(found[at, i]), interval(drawn[:, at, i]))

    def lost() -> list[float | None]:
        require()
        if i == mine:
            return [None, None, None]
        return spread(
            number(found[at, mine] - found[at, i]), interval(drawn[:, at, mine] - drawn[:, at, i])
        )

    cells.add(["spearman", "spearman_low", "spearman_high"], simple)
    cells.add(["lost", "lost_low", "lost_high"], lost)
    cells.values |= {
        "ceiling": number(found[mine, i]),
        "n": int(here.sum()),
        "failures": int((~here).sum()),
    }
    return cells
