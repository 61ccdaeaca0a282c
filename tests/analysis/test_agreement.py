import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from zcproxy.analysis import agreement, kendall, spearman
from zcproxy.errors import InputError, MeasureError


def tau_b_by_pairs(x, y):
    """Kendall's tau-b from its definition, looking at every pair."""
    concordant = discordant = x_tied = y_tied = pairs = 0
    for i, j in combinations(range(len(x)), 2):
        pairs += 1
        x_tied += x[i] == x[j]
        y_tied += y[i] == y[j]
        product = (x[i] - x[j]) * (y[i] - y[j])
        concordant += product > 0
        discordant += product < 0
    return (concordant - discordant) / math.sqrt((pairs - x_tied) * (pairs - y_tied))


def rho_by_ranks(x, y):
    """Spearman's rho as Pearson's correlation of the ranks of the definition."""
    ranks = [
        [sum(w < v for w in side) + (sum(w == v for w in side) + 1) / 2 for v in side]
        for side in (x, y)
    ]
    return float(np.corrcoef(ranks)[0, 1])


@st.composite
def two_rankings(draw, largest=4, size=25):
    """Two non-constant lists of one length with many ties."""
    n = draw(st.integers(2, size))
    sides = [draw(st.lists(st.integers(0, largest), min_size=n, max_size=n)) for _ in range(2)]
    assume(all(len(set(side)) > 1 for side in sides))
    return sides


@given(two_rankings())
def test_coefficients_follow_their_definitions_with_ties(sides):
    assert kendall(*sides) == pytest.approx(tau_b_by_pairs(*sides), abs=1e-12)
    assert spearman(*sides) == pytest.approx(rho_by_ranks(*sides), abs=1e-12)


@given(two_rankings(largest=1000))
def test_coefficients_follow_their_definitions_almost_without_ties(sides):
    assert kendall(*sides) == pytest.approx(tau_b_by_pairs(*sides), abs=1e-12)
    assert spearman(*sides) == pytest.approx(rho_by_ranks(*sides), abs=1e-12)


@given(two_rankings())
def test_monotone_transforms_change_nothing(sides):
    x, y = (np.array(side, dtype=float) for side in sides)
    for coefficient in (spearman, kendall):
        assert coefficient(np.exp(x), y**3 - 7) == coefficient(x, y)


@given(two_rankings())
def test_a_reversed_side_changes_the_sign_and_exchanged_sides_nothing(sides):
    x, y = (np.array(side, dtype=float) for side in sides)
    for coefficient in (spearman, kendall):
        assert coefficient(-x, y) == pytest.approx(-coefficient(x, y), abs=1e-15)
        assert coefficient(y, x) == pytest.approx(coefficient(x, y), abs=1e-15)


@given(two_rankings())
def test_the_order_of_architectures_changes_nothing(sides):
    x, y = (np.array(side) for side in sides)
    order = np.random.default_rng(len(x)).permutation(len(x))
    for coefficient in (spearman, kendall):
        assert coefficient(x[order], y[order]) == coefficient(x, y)


def test_the_ends_of_the_scale_are_exact():
    x = np.arange(50.0)
    for coefficient in (spearman, kendall):
        assert coefficient(x, x**2) == 1
        assert coefficient(x, -x) == -1


def test_thousands_of_architectures_agree_with_scipy():
    rng = np.random.default_rng(3)
    x = rng.normal(size=5000)
    y = np.round(x + rng.normal(size=5000), 1)
    assert kendall(x, y) == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-13)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-13)


@pytest.mark.parametrize("coefficient", [spearman, kendall])
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1, 1, 1], [1, 2, 3], "all 3 scores are equal"),
        ([1, 2, 3], [5, 5, 5], "all 3 accuracies are equal"),
        ([], [], "at least 2"),
        ([1], [1], "at least 2"),
    ],
)
def test_what_orders_nothing_has_no_correlation(coefficient, x, y, message):
    with pytest.raises(MeasureError, match=message) as caught:
        coefficient(x, y)
    assert caught.value.kind == "degenerate"


@pytest.mark.parametrize("coefficient", [spearman, kendall])
def test_wrong_input_is_refused(coefficient):
    with pytest.raises(InputError, match="3 scores but 2 accuracies"):
        coefficient([1, 2, 3], [1, 2])
    with pytest.raises(InputError, match="nan"):
        coefficient([1, math.nan, 3], [1, 2, 3])


X = [3.0, 1.0, math.nan, 2.0, 2.0, 9.0]
Y = [30.0, 10.0, 5.0, 20.0, 25.0, math.nan]


def test_failures_are_left_out_and_counted():
    found = agreement(X, Y, "omit", resamples=0)
    assert (found.n, found.ties, found.failures) == (4, 2, 1)
    assert found.kendall == tau_b_by_pairs([3, 1, 2, 2], [30, 10, 20, 25])
    assert found.spearman_interval is None and found.kendall_interval is None


def test_failures_can_be_last():
    found = agreement(X, Y, "last", resamples=0)
    assert (found.n, found.ties, found.failures) == (5, 2, 1)
    assert found.kendall == tau_b_by_pairs([3, 1, 0, 2, 2], [30, 10, 5, 20, 25])
    assert found.spearman == pytest.approx(rho_by_ranks([3, 1, 0, 2, 2], [30, 10, 5, 20, 25]))


def test_failures_rank_below_minus_infinity():
    found = agreement([-math.inf, math.nan, 1.0], [2.0, 1.0, 3.0], "last", resamples=0)
    assert found.spearman == 1


def test_an_unknown_policy_is_named():
    with pytest.raises(InputError, match="did you mean 'omit'"):
        agreement(X, Y, "omitt")


def test_the_intervals_belong_to_their_coefficients():
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    found = agreement(x, x + rng.normal(size=200), resamples=200)
    for value, interval in (
        (found.spearman, found.spearman_interval),
        (found.kendall, found.kendall_interval),
    ):
        assert interval is not None
        assert interval.low < value < interval.high
        assert interval.high - interval.low < 0.25
    assert found.spearman_interval != found.kendall_interval
