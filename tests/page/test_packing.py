"""Columns of numbers as text, and back."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from zcproxy.page.packing import Blobs, grouped, rounded, unpacked, whole

ANY = st.floats(allow_infinity=False, width=64) | st.sampled_from([0.0, -0.0, 1.0, 1e300, -1e-300])


def ranks(values):
    return rankdata(values, nan_policy="omit")


@given(st.lists(ANY, max_size=40))
def test_rounding_keeps_every_order_tie_and_missing_value(listed):
    values = np.array(listed, dtype=np.float64)
    near = rounded(values)
    np.testing.assert_array_equal(np.isnan(near), np.isnan(values))
    known = ~np.isnan(values)
    np.testing.assert_array_equal(ranks(near[known]), ranks(values[known]))
    # a subnormal number has few bits; all others keep six digits
    normal = known & (np.abs(values) > 1e-300)
    assert (np.abs(near[normal] / values[normal] - 1) <= 2.0**-21).all()


def test_rounding_keeps_what_twenty_bits_would_merge():
    close = np.array([1.0, 1.0 + 2.0**-30, 1.0 + 2.0**-52, 2.0])
    assert len(np.unique(rounded(close))) == 4
    assert len(np.unique(np.round(close, 6))) == 2
    assert np.isfinite(rounded([-np.inf, np.inf, 1e308])).all()
    loose = rounded([1 / 3, 2 / 3])
    assert (loose.view(np.uint64) & np.uint64((1 << 32) - 1) == 0).all()


def test_counts_stay_as_they_are():
    rng = np.random.default_rng(0)
    counts = rng.integers(10**8, 10**9, 600).astype(float)
    counts[0] = np.nan
    assert whole(counts)
    np.testing.assert_array_equal(rounded(counts), counts)
    assert not (rounded(counts[1:] + 0.5) == counts[1:] + 0.5).all()
    assert not whole([0.5, 1.0])
    assert not whole([np.inf, 1.0])
    assert not whole([2.0**60])


@given(st.lists(ANY, min_size=1, max_size=40), st.integers(1, 6))
def test_columns_come_back(listed, repeats):
    """Short columns as levels, long ones by row; of repeated rows once each."""
    values = np.tile(np.array(listed), repeats)
    groups = np.tile(np.arange(len(listed)), repeats)
    for levels in (255, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("zcproxy.page.packing.LEVELS", levels)
            blobs = Blobs()
            if levels == 0:
                coded = blobs.column(np.append(values, 0.5), np.append(groups, len(listed)))
                back = unpacked(blobs.texts, coded, np.append(groups, len(listed)))[:-1]
                assert coded.keys() == {"groups"}
            else:
                coded = blobs.column(values)
                back = unpacked(blobs.texts, coded)
                assert coded.keys() == {"levels", "codes"}
        expected = rounded(np.append(values, 0.5) if levels == 0 else values)[: len(values)]
        np.testing.assert_array_equal(back, expected)


def test_a_long_column_is_stored_by_row_unless_groups_explain_it():
    rng = np.random.default_rng(0)
    values, groups = rng.normal(size=600), np.repeat(np.arange(300), 2)
    values[7] = np.nan
    blobs = Blobs()
    coded = blobs.column(values, groups)
    assert coded.keys() == {"rows"}
    np.testing.assert_array_equal(unpacked(blobs.texts, coded), rounded(values))
    shared = values[groups]
    coded = blobs.column(shared, groups)
    assert coded.keys() == {"groups"}
    np.testing.assert_array_equal(unpacked(blobs.texts, coded, groups), rounded(shared))


def test_numbers_keep_all_bits_in_little_endian_planes():
    values = np.array([1.5, -2.25, np.nan, 1e-320, 15624.0])
    blobs = Blobs()
    raw = zlib.decompress(base64.b64decode(blobs.texts[blobs.numbers(values)]))
    slow = b"".join(bytes(v.tobytes()[plane] for v in values) for plane in range(8))
    assert raw == slow
    back = unpacked(blobs.texts, {"rows": 0})
    assert back.tobytes() == values.tobytes()


def test_equal_data_is_stored_once():
    blobs = Blobs()
    one, two = blobs.text(["a", "b"]), blobs.small([1, 2, 3])
    assert one == blobs.text(["a", "b"])
    assert one != two
    assert len(blobs.texts) == 2


@given(st.lists(st.tuples(st.sampled_from([1.0, 2.0, np.nan]), st.sampled_from([0.0, 3.0]))))
def test_groups_are_rows_equal_everywhere(rows):
    columns = [np.array([row[i] for row in rows], dtype=float) for i in (0, 1)]
    groups = grouped(columns)
    seen: dict[str, int] = {}
    slow = [seen.setdefault(repr(row), len(seen)) for row in rows]
    assert groups.tolist() == slow
