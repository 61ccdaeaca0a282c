"""Columns of numbers as short text: as few bits as keep their order, deflated, base64.

A column becomes eight planes of bytes (all first bytes, all second bytes, ...), so that the bits
that `rounded` cleared lie together and vanish. `read.js` is the other side.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

__all__ = ["Blobs", "Coded", "grouped", "rounded", "unpacked", "whole"]

Floats = NDArray[np.float64]

LEVELS = 255
"""A column of at most so many values is stored as these and one byte per row; 255 is missing."""

KEPT = (20, 24, 28, 32, 36, 40, 44, 48)
"""Bits of a mantissa to try, fewest first: 20 are six digits."""

Coded = dict[str, Any]


def rounded(values: ArrayLike) -> Floats:
    """`values` (n,) with the fewest bits in the mantissa, at least 20, that keep order and ties.

    Different values stay different and in order, so every rank statistic is the same; each changes
    by at most one part in two million. nan stays nan, -0 becomes 0, and an infinity the largest
    number of its sign. Counts (see `whole`) stay as they are.
    """
    exact = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=np.nan) + 0.0
    if whole(exact):
        return exact
    distinct = len(np.unique(exact[~np.isnan(exact)]))
    bits = np.where(np.isnan(exact), 0.0, exact).view(np.uint64)
    for kept in KEPT:
        half, low = np.uint64(1 << (51 - kept)), np.uint64((1 << (52 - kept)) - 1)
        near = np.where(np.isnan(exact), np.nan, ((bits + half) & ~low).view(np.float64))
        known = near[~np.isnan(near)]
        if np.isfinite(known).all() and len(np.unique(known)) == distinct:
            return near
    return exact


def whole(values: ArrayLike) -> bool:
    """Whether all values but nan are whole numbers that float64 tells apart, such as counts."""
    exact = np.asarray(values, dtype=np.float64)
    known = exact[~np.isnan(exact)]
    return bool((np.abs(known) < 2.0**53).all() and (known == np.floor(known)).all())


def grouped(columns: Sequence[Floats]) -> NDArray[np.int64]:
    """For every row the number of its group; rows of one group are equal in all `columns`.

    Groups are numbered as they first appear.
    """
    groups = np.zeros(len(columns[0]) if columns else 0, dtype=np.int64)
    for column in columns:
        codes = pd.factorize(column, use_na_sentinel=False)[0].astype(np.int64)
        groups = pd.factorize(groups * (codes.max(initial=0) + 1) + codes)[0].astype(np.int64)
    return groups


class Blobs:
    """Texts of packed data, each of which is stored once however often it is added."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._known: dict[bytes, int] = {}

    def add(self, data: bytes) -> int:
        """The number of the blob that holds `data`."""
        if data not in self._known:
            self._known[data] = len(self.texts)
            packed = zlib.compress(data, 9)
            self.texts.append(base64.b64encode(packed).decode("ascii"))
        return self._known[data]

    def text(self, value: Any) -> int:
        """The number of the blob that holds plain data as JSON."""
        return self.add(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())

    def small(self, values: ArrayLike) -> int:
        """The number of the blob that holds whole numbers 0 ... 255."""
        return self.add(np.asarray(values, dtype=np.uint8).tobytes())

    def numbers(self, values: ArrayLike) -> int:
        """The number of the blob that holds float64 as byte planes, bit by bit."""
        flat = np.ascontiguousarray(values, dtype="<f8")
        return self.add(flat.view(np.uint8).reshape(len(flat), 8).T.tobytes())

    def column(self, values: ArrayLike, groups: NDArray[np.int64] | None = None) -> Coded:
        """A column (n,), nan for a missing value, in the shortest of three ways.

        `levels` and one byte per row; or one number per group of `groups`, where the column is
        constant in each of them; or one number per row.
        """
        known = rounded(values)
        levels = np.unique(known[~np.isnan(known)])
        if len(levels) <= LEVELS:
            codes = np.where(np.isnan(known), LEVELS, np.searchsorted(levels, known))
            return {"levels": levels.tolist(), "codes": self.small(codes)}
        if groups is not None:
            first = np.unique(groups, return_index=True)[1]
            if np.array_equal(known[first][groups], known, equal_nan=True):
                return {"groups": self.numbers(known[first])}
        return {"rows": self.numbers(known)}


def unpacked(texts: Sequence[str], coded: Coded, groups: ArrayLike | None = None) -> Floats:
    """A column as `Blobs.column` rounded it, from the texts of all blobs."""
    if "codes" in coded:
        codes = np.frombuffer(inflated(texts[coded["codes"]]), dtype=np.uint8)
        padded = np.full(LEVELS + 1, np.nan)
        padded[: len(coded["levels"])] = coded["levels"]
        return padded[codes]
    if "groups" in coded:
        return numbers(texts[coded["groups"]])[np.asarray(groups, dtype=np.int64)]
    return numbers(texts[coded["rows"]])


def numbers(text: str) -> Floats:
    """The float64 of one blob."""
    planes = np.frombuffer(inflated(text), dtype=np.uint8).reshape(8, -1)
    return np.ascontiguousarray(planes.T).view("<f8").ravel().astype(np.float64)


def inflated(text: str) -> bytes:
    """The bytes of one blob."""
    return zlib.decompress(base64.b64decode(text))
