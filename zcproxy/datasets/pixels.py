"""Images as they lie in a file: unsigned bytes with labels and official positions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zcproxy.errors import DataError

__all__ = ["Part", "Pixels", "Source", "checked", "join"]


@dataclass(frozen=True, eq=False)
class Pixels:
    """Images uint8 (N, C, H, W), labels int64 (N,), positions int64 (N,) in the official order."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    positions: NDArray[np.int64]

    def at(self, wanted: NDArray[np.int64]) -> Pixels:
        """Those images whose position is in `wanted`, in the order of `wanted`."""
        order = np.argsort(self.positions, kind="stable")
        found = np.searchsorted(self.positions[order], wanted)
        rows = order[np.minimum(found, len(order) - 1)] if len(order) else found[:0]
        rows = rows[self.positions[rows] == wanted[: len(rows)]]
        return Pixels(self.images[rows], self.labels[rows], self.positions[rows])


@dataclass(frozen=True)
class Part:
    """A piece of a data set: it may hold the positions start <= p < stop; `read` opens it."""

    start: int
    stop: int
    read: Callable[[], Pixels]


@dataclass(frozen=True)
class Source:
    """One place where a data set lies: its name for people, its training and its test parts."""

    name: str
    train: Sequence[Part]
    test: Sequence[Part]


def checked(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    positions: NDArray[np.int64],
    classes: int,
    where: str,
) -> Pixels:
    """The three arrays as `Pixels` once their lengths, labels and positions make sense.

    Raises: DataError naming `where` otherwise.
    """
    if not len(images) == len(labels) == len(positions):
        raise DataError(
            f"{where} is damaged: {len(images)} images, {len(labels)} labels, "
            f"{len(positions)} positions"
        )
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise DataError(
            f"{where} is not this data set: labels {labels.min()}..{labels.max()}, "
            f"expected 0..{classes - 1}"
        )
    if len(np.unique(positions)) != len(positions) or (len(positions) and positions.min() < 0):
        raise DataError(f"{where} is damaged: image positions repeat or are negative")
    return Pixels(images, labels, positions)


def join(pieces: Iterable[Pixels]) -> Pixels:
    """All pieces one after another."""
    parts = list(pieces)
    return Pixels(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.positions for part in parts]),
    )
