"""Intervals and differences over a few seeds, against definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from zcproxy.analysis.seeds import mean_interval, paired
from zcproxy.errors import InputError


def test_students_interval_by_hand() -> None:
    low, high = mean_interval([1.0, 2.0, 4.0])
    error = math.sqrt(((4 / 3) ** 2 + (1 / 3) ** 2 + (5 / 3) ** 2) / 2 / 3)
    t = 4.302652729911275  # of 2 degrees of freedom, from a printed table: 4.303
    assert (low, high) == pytest.approx((7 / 3 - t * error, 7 / 3 + t * error))
    assert all(math.isnan(end) for end in mean_interval([3.0]))
    assert mean_interval([2.0, 2.0]) == (2.0, 2.0)


def test_the_bootstrap_of_three_pairs_is_that_of_all_resamples() -> None:
    ours, theirs = np.array([3.0, 1.0, 2.5]), np.array([1.0, 2.0, 2.0])
    found = paired(ours, theirs)
    means = [np.mean(r) for r in itertools.product(ours - theirs, repeat=3)]
    assert found.mean == pytest.approx(0.5)
    assert found.n == 3
    ends = np.quantile(means, [0.025, 0.975], method="inverted_cdf")
    assert (found.low, found.high) == pytest.approx(tuple(ends))


@pytest.mark.parametrize("n", [1, 2, 3, 6, 9])
def test_p_is_the_share_of_sign_patterns(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.4, 1, n)
    patterns = itertools.product((1, -1), repeat=n)
    far = [abs(np.dot(p, differences)) >= abs(differences.sum()) - 1e-12 for p in patterns]
    assert paired(differences, np.zeros(n)).p == pytest.approx(np.mean(far))


def test_p_of_many_pairs_is_near_the_exact_one() -> None:
    rng = np.random.default_rng(3)
    differences = rng.normal(0.3, 1, 17)
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=17)))
    exact = (np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12).mean()
    assert paired(differences, np.zeros(17)).p == pytest.approx(exact, abs=0.02)


def test_equal_pairs_and_a_single_pair() -> None:
    same = paired([1.0, 2.0], [1.0, 2.0])
    assert (same.mean, same.low, same.high, same.p) == (0, 0, 0, 1)
    single = paired([3.0], [1.0])
    assert (single.mean, single.p) == (2, 1)
    assert math.isnan(single.low)


def test_six_pairs_are_the_fewest_that_can_come_below_a_twentieth() -> None:
    for n in range(1, 8):
        p = paired(np.arange(1.0, n + 1), np.zeros(n)).p
        assert p == 2.0 ** (1 - n)
        assert (p < 0.05) == (n >= 6)


@pytest.mark.parametrize("wrong", [([], []), ([1.0], [1.0, 2.0]), ([math.nan], [1.0])])
def test_wrong_input(wrong: tuple[list[float], list[float]]) -> None:
    with pytest.raises(InputError):
        paired(*wrong)
