"""What becomes of architectures on which a proxy has no value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from zcproxy.analysis.ranks import Floats, numbers, same_length
from zcproxy.errors import unknown as unknown_name

__all__ = ["POLICIES", "FailurePolicy", "Pairs", "complete", "pairs", "policy"]

FailurePolicy = Literal["omit", "last", "common"]
POLICIES: tuple[FailurePolicy, ...] = get_args(FailurePolicy)


@dataclass(frozen=True)
class Pairs:
    """Scores and accuracies (n,) of the architectures that are compared, both without nan.

    Only the order of `scores` means something. `kept` (input length) says which architectures
    these are; `failures` counts the failures among architectures with an accuracy, in or out;
    `failed` (n,) marks those that are in.
    """

    scores: Floats
    accuracies: Floats
    kept: np.ndarray[tuple[int], np.dtype[np.bool_]]
    failed: np.ndarray[tuple[int], np.dtype[np.bool_]]
    failures: int


def policy(name: str) -> FailurePolicy:
    """The failure policy of that name; raises InputError naming the three there are.

    omit: each proxy is judged on the architectures where it has a value (n differs by proxy);
    last: failures tie with each other below every value; what is not known for a reason outside
    the network (not scored, crashed, error, memory) is left out (else n is the same for all);
    common: only architectures where all compared proxies have a value (n is the same for all).
    """
    for known in POLICIES:
        if name == known:
            return known
    raise unknown_name("failure policy", name, POLICIES)


def pairs(
    scores: ArrayLike,
    accuracies: ArrayLike,
    failures: str = "omit",
    unknown: NDArray[np.bool_] | None = None,
) -> Pairs:
    """Apply a failure policy to one proxy: nan in `scores` is a failure.

    `scores` and `accuracies` are (n,). An architecture without an accuracy (nan) is always left
    out. For a single proxy `common` is the same as `omit`; `complete` makes the common subset.
    `unknown` (n,) marks failures that say nothing of the network (`zcproxy.kinds.UNKNOWN`): they
    are never ranked, not even last.

    Raises InputError for unequal lengths or an unknown policy.
    """
    chosen = policy(failures)
    x, y = numbers(scores, "scores"), numbers(accuracies, "accuracies")
    same_length(x, y)
    failed, labelled = np.isnan(x), ~np.isnan(y)
    if chosen == "last":
        out = np.zeros_like(failed) if unknown is None else failed & unknown
    else:
        out = failed
    kept = labelled & ~out
    ordered = below_all(x) if chosen == "last" else x
    return Pairs(ordered[kept], y[kept], kept, failed[kept], int((failed & labelled).sum()))


def below_all(scores: Floats) -> Floats:
    """Scores as 1, 2, ... in their order, failures as 0: below even a score of -inf."""
    failed = np.isnan(scores)
    result = np.zeros(len(scores))
    result[~failed] = np.unique(scores[~failed], return_inverse=True)[1] + 1
    return result


def complete(scores: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which rows (architectures) have a value in every column (proxy): the common subset."""
    return np.asarray(scores.notna().all(axis=1), dtype=np.bool_)
