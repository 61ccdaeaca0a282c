"""The k best: against sorting in Python, with ties, infinities and empty candidates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcproxy.errors import MeasureError
from zcproxy.pruning.selection import best, fill

CASES = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=30)


def ranked(values: list[int], among: list[bool]) -> list[int]:
    """Candidates, best first, equal ones in their order."""
    return sorted((i for i, a in enumerate(among) if a), key=lambda i: (-values[i], i))


@given(CASES, st.data())
def test_it_is_the_first_k_of_a_stable_sort(
    case: list[tuple[int, bool]], data: st.DataObject
) -> None:
    values, among = [v for v, _ in case], [a for _, a in case]
    count = data.draw(st.integers(0, sum(among)))
    found = best(np.array(values, float), np.array(among), count)
    assert sorted(np.flatnonzero(found)) == sorted(ranked(values, among)[:count])


@given(CASES, st.integers(0, 40))
def test_filling_takes_the_longest_beginning_of_the_ranking_that_fits(
    case: list[tuple[int, bool]], budget: int
) -> None:
    values, among = [v for v, _ in case], [a for _, a in case]
    costs = [1 + i % 4 for i in range(len(case))]
    expected, left = [], budget
    for i in ranked(values, among):
        left -= costs[i]
        if left < 0:
            break
        expected.append(i)
    found = fill(np.array(values, float), np.array(among), np.array(costs), budget)
    assert sorted(np.flatnonzero(found)) == sorted(expected)


def test_scores_that_are_no_numbers_are_refused_among_candidates_only() -> None:
    scores = np.array([1.0, np.nan, 2.0])
    everywhere, elsewhere = np.ones(3, bool), np.array([True, False, True])
    for function in (lambda a: best(scores, a, 1), lambda a: fill(scores, a, np.ones(3, int), 1)):
        with pytest.raises(MeasureError, match="1 of 3 scores are infinite or not a number"):
            function(everywhere)
        assert np.flatnonzero(function(elsewhere)).tolist() == [2]
