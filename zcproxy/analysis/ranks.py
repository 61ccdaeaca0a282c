"""Ranks with exact ties: the one place where values become positions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zcproxy.errors import InputError, MeasureError

__all__ = [
    "Floats",
    "Ints",
    "average_ranks",
    "centered_ranks",
    "dense_codes",
    "dot",
    "inner",
    "matched",
    "positions",
    "require_order",
    "tied",
    "vector",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def vector(values: ArrayLike, name: str) -> Floats:
    """`values` as float64 of shape (n,), without nan; infinities are values like any other.

    Raises InputError for another shape, for nan, and for text.
    """
    array = numbers(values, name)
    missing = int(np.isnan(array).sum())
    if missing:
        raise InputError(
            f"{name}: {missing} of {len(array)} values are nan; leave these architectures out "
            "first (zcproxy.analysis.pairs applies a policy for failures)"
        )
    return array


def numbers(values: ArrayLike, name: str) -> Floats:
    """`values` as float64 of shape (n,); nan may be among them."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected numbers; {error}") from error
    if array.ndim != 1:
        raise InputError(f"{name}: expected one number per architecture, got shape {array.shape}")
    return array


def matched(scores: ArrayLike, accuracies: ArrayLike) -> tuple[Floats, Floats]:
    """Two vectors without nan, of one length."""
    x, y = vector(scores, "scores"), vector(accuracies, "accuracies")
    same_length(x, y)
    return x, y


def same_length(scores: Floats, accuracies: Floats) -> None:
    """Raise InputError unless there is one accuracy per score."""
    if len(scores) != len(accuracies):
        raise InputError(
            f"{len(scores)} scores but {len(accuracies)} accuracies; "
            "give one of each per architecture, in the same order"
        )


def dense_codes(values: Floats) -> Ints:
    """0 for the smallest value, 1 for the next larger one, ...; equal values share a code."""
    return np.asarray(np.unique(values, return_inverse=True)[1], dtype=np.int64)


def positions(sizes: NDArray[np.generic]) -> NDArray[np.generic]:
    """2 * (average rank) - (n + 1) of every tied group, from the groups' sizes in ascending order.

    A group of `size` values with `below` smaller ones holds the ranks below + 1 .. below + size,
    whose mean is below + (size + 1) / 2. An exact integer; weighted by the sizes they sum to 0.
    """
    up_to = np.cumsum(sizes)
    result: NDArray[np.generic] = 2 * up_to - sizes - up_to[-1]
    return result


def centered_ranks(codes: Ints) -> Ints:
    """2 * (average rank) - (n + 1) of every value, exact integers; `codes` (n,) are dense."""
    return np.asarray(positions(np.bincount(codes))[codes], dtype=np.int64)


def average_ranks(values: ArrayLike) -> Floats:
    """Ranks 1..n, smallest value first; tied values share the mean of the ranks they occupy.

    >>> average_ranks([0.3, 0.1, 0.3]).tolist()
    [2.5, 1.0, 2.5]
    """
    codes = dense_codes(vector(values, "values"))
    return (centered_ranks(codes) + len(codes) + 1) / 2


def inner(a: Ints, b: Ints) -> int:
    """Exact sum of products, as a Python integer: no rounding below n = 2 million."""
    return int(np.dot(a, b))


def dot(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Sum of products, exact for integers of up to 2^53 in all.

    Not by BLAS: on vectors of some thousand numbers its threads cost more than they save, and
    many times as much where the processor has other work.
    """
    return float(np.einsum("i,i->", a, b))


def tied(values: ArrayLike) -> int:
    """How many values equal at least one other value.

    >>> tied([1.0, 2.0, 2.0, 3.0])
    2
    """
    _, counts = np.unique(vector(values, "values"), return_counts=True)
    return int(counts[counts > 1].sum())


def require_order(values: Floats, name: str) -> None:
    """Raise MeasureError('degenerate') where `values` hold fewer than two distinct numbers."""
    if len(values) < 2:
        raise MeasureError(
            "degenerate", f"{len(values)} architecture(s) with {name}; a ranking needs at least 2"
        )
    if values.min() == values.max():
        raise MeasureError(
            "degenerate", f"all {len(values)} {name} are equal, so they have no correlation"
        )
