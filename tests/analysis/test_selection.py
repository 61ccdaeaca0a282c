from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcproxy.analysis import expected_best, overlap, regret, spearman, top_spearman
from zcproxy.analysis.selection import best_share
from zcproxy.errors import InputError, MeasureError


def selections(values, k):
    """The k best under every way to break the ties, each as often as it occurs."""
    n = len(values)
    for order in permutations(range(n)):
        yield frozenset(sorted(order, key=lambda i: -values[i])[:k])


@st.composite
def cases(draw):
    """Up to six architectures with many ties, and a k."""
    n = draw(st.integers(1, 6))
    x, y = (draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)) for _ in range(2))
    return x, y, draw(st.integers(1, n))


@given(cases())
def test_expected_best_is_the_mean_over_all_ways_to_break_ties(case):
    x, y, k = case
    bests = [max(y[i] for i in chosen) for chosen in selections(x, k)]
    assert expected_best(x, y, k) == pytest.approx(np.mean(bests), abs=1e-12)
    assert regret(x, y, k) == pytest.approx(max(y) - np.mean(bests), abs=1e-12)


@given(cases())
def test_overlap_is_the_mean_over_all_ways_to_break_ties_on_both_sides(case):
    x, y, k = case
    by_proxy, by_accuracy = (np.zeros(len(x)) for _ in range(2))
    for side, chance in ((x, by_proxy), (y, by_accuracy)):
        for chosen in (every := list(selections(side, k))):
            chance[list(chosen)] += 1 / len(every)
    assert overlap(x, y, k) == pytest.approx(float(by_proxy @ by_accuracy) / k, abs=1e-12)


def test_overlap_by_enumerating_pairs_of_tie_breakings():
    x, y, k = [1, 1, 0, 1], [5, 7, 7, 7], 2
    shares = [len(a & b) / k for a in selections(x, k) for b in selections(y, k)]
    assert overlap(x, y, k) == pytest.approx(np.mean(shares), abs=1e-12)


def test_a_perfect_proxy_has_full_overlap_and_no_regret():
    y = np.random.default_rng(0).permutation(100)
    for k in (1, 10, 100):
        assert overlap(y, y, k) == 1
        assert regret(y, y, k) == 0


def test_a_constant_proxy_picks_at_random():
    y = np.arange(1000.0)
    assert overlap(np.zeros(1000), y, 10) == pytest.approx(10 / 1000)
    assert expected_best(np.zeros(1000), y, 10) == pytest.approx(10 * 1001 / 11 - 1)


def test_large_tied_groups_stay_exact():
    """The mean of the maximum of m out of 1..t is m (t + 1) / (m + 1), for any t."""
    t, m = 15_000, 200
    x = np.concatenate([np.zeros(t), -np.ones(625)])
    y = np.concatenate([np.arange(1.0, t + 1), np.full(625, 1e6)])
    assert expected_best(x, y, m) == pytest.approx(m * (t + 1) / (m + 1), rel=1e-12)


def test_the_top_is_taken_by_accuracy_and_keeps_ties_whole():
    x = [9, 8, 1, 3, 2, 0, 0, 0, 0, 0]
    y = [1, 2, 10, 9, 9, 8, 3, 4, 5, 6]
    assert top_spearman(x, y, 0.2) == spearman([1, 3, 2], [10, 9, 9])
    assert top_spearman(x, y, 0.4) == spearman([1, 3, 2, 0], [10, 9, 9, 8])
    assert top_spearman(x, y, 1.0) == spearman(x, y)


def test_the_top_is_that_of_all_whether_they_have_a_score_or_not():
    """Those without a score leave the top; nobody moves up from below."""
    x = [9, 8, np.nan, 3, 2, 0, np.nan, 1, 5, 7]
    y = [1, 2, 10, 9, 9, 8, 3, 4, 5, 6]
    assert top_spearman(x, y, 0.4) == spearman([3, 2, 0], [9, 9, 8])
    assert best_share(y, 0.2).nonzero()[0].tolist() == [2, 3, 4]
    assert best_share(y, 0.01).nonzero()[0].tolist() == [2]
    with pytest.raises(InputError, match="nan"):
        top_spearman([1, 2], [1, np.nan])


def test_a_top_without_order_says_so():
    with pytest.raises(MeasureError, match="at least 2"):
        top_spearman([1, 2, 3], [1, 2, 3], 0.1)
    with pytest.raises(MeasureError, match="equal"):
        top_spearman([1, 1, 3, 0], [9, 8, 1, 2], 0.5)


def test_wrong_sizes_are_refused():
    for measure in (overlap, regret, expected_best):
        with pytest.raises(InputError, match="k >= 1"):
            measure([1, 2], [1, 2], 0)
        with pytest.raises(MeasureError, match="only 2 architectures to select 3"):
            measure([1, 2], [1, 2], 3)
    for fraction in (0.0, 1.5):
        with pytest.raises(InputError, match="fraction"):
            top_spearman([1, 2], [1, 2], fraction)
