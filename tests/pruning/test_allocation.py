"""Counts per layer: exact, within bounds, in proportion."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcproxy.errors import InputError
from zcproxy.pruning.allocation import apportion, erk_shares, floors, nearest


def test_the_nearest_number() -> None:
    assert [nearest(Fraction(n, 4)) for n in range(9)] == [0, 0, 1, 1, 1, 1, 2, 2, 2]


def slow(total: int, shares: list[int], least: list[int], most: list[int]) -> list[float]:
    """The proportional parts by bisection."""
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        parts = [min(m, max(f, middle * s)) for s, f, m in zip(shares, least, most, strict=True)]
        low, high = (middle, high) if sum(parts) < total else (low, middle)
    return [min(m, max(f, high * s)) for s, f, m in zip(shares, least, most, strict=True)]


LAYERS = st.lists(
    st.tuples(st.integers(1, 20), st.integers(0, 5), st.integers(0, 30)), min_size=1, max_size=6
)


@given(LAYERS, st.data())
def test_parts_are_exact_in_sum_within_bounds_and_near_proportion(
    layers: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    shares = [s for s, _, _ in layers]
    least = [f for _, f, _ in layers]
    most = [f + extra for _, f, extra in layers]
    total = data.draw(st.integers(sum(least), sum(most)))
    parts = apportion(total, shares, least, most)
    assert sum(parts) == total
    for part, low, high in zip(parts, least, most, strict=True):
        assert low <= part <= high
    for part, exact in zip(parts, slow(total, shares, least, most), strict=True):
        assert abs(part - exact) < 1 + 1e-6


def test_the_largest_remainders_and_of_equal_ones_the_first_get_the_rest() -> None:
    assert apportion(10, [3, 3, 3], [0] * 3, [9] * 3) == [4, 3, 3]
    assert apportion(10, [1, 2, 4], [0] * 3, [9] * 3) == [1, 3, 6]  # 1.43, 2.86, 5.71
    assert apportion(10, [1, 2, 4], [3, 0, 0], [9, 9, 5]) == [3, 2, 5]


def test_impossible_bounds_are_refused() -> None:
    for total in (1, 20):
        with pytest.raises(InputError, match="must keep at least 2 and can keep at most 10"):
            apportion(total, [1, 1], [1, 1], [5, 5])


def test_erk_densities() -> None:
    """Density (3 + 16 + 3 + 3) / (3 * 16 * 9) times a constant, and (10 + 20) / (10 * 20)."""
    shapes = [(16, 3, 3, 3), (10, 20)]
    assert erk_shares(shapes) == [25, 30]
    counts = apportion(55, erk_shares(shapes), [0, 0], [432, 200])
    assert counts == [25, 30]
    dense = apportion(400, erk_shares(shapes), [0, 0], [432, 200])
    assert dense == [200 + 0, 200]  # the second would get 218; it is full


def test_floors() -> None:
    assert floors(3, [10, 2]) == [3, 2]
    assert floors(0.1, [10, 25, 1]) == [1, 3, 1]
    assert floors(1.0, [10]) == [10]
    assert floors(0.7, [10]) == [7]  # .7 * 10 is 7.000000000000001 in floating point
    for wrong in (-1, 1.5, True, "3"):
        with pytest.raises(InputError, match="floor"):
            floors(wrong, [10])  # type: ignore[arg-type]


def test_order_of_layers_matters_for_ties_only() -> None:
    shares = [5, 9, 13]
    for order in itertools.permutations(range(3)):
        parts = apportion(12, [shares[i] for i in order], [0] * 3, [20] * 3)
        assert dict(zip(order, parts, strict=True)) == {0: 2, 1: 4, 2: 6}
