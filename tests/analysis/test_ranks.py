import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from zcproxy.analysis import average_ranks, tied
from zcproxy.analysis.ranks import centered_ranks, dense_codes, vector
from zcproxy.errors import InputError

small = st.lists(st.integers(-3, 3), min_size=1, max_size=30)


def rank_by_definition(values):
    """The mean of the places a value may take: (number below + 1 ... number at most) / 2."""
    return [(sum(w < v for w in values) + 1 + sum(w <= v for w in values)) / 2 for v in values]


@given(small)
def test_average_ranks_follow_the_definition_and_scipy(values):
    assert average_ranks(values).tolist() == rank_by_definition(values)
    assert average_ranks(values).tolist() == stats.rankdata(values).tolist()


@given(small)
def test_centered_ranks_are_integers_that_sum_to_zero(values):
    centered = centered_ranks(dense_codes(np.array(values, dtype=float)))
    assert centered.dtype == np.int64
    assert centered.sum() == 0
    assert ((centered + len(values) + 1) / 2).tolist() == rank_by_definition(values)


def test_infinities_are_ranked():
    assert average_ranks([0.0, -math.inf, math.inf]).tolist() == [2, 1, 3]


@given(small)
def test_ties_count_the_values_that_are_not_alone(values):
    assert tied(values) == sum(values.count(v) > 1 for v in values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, math.nan], "1 of 2 values are nan"),
        ([[1.0], [2.0]], "one number per architecture"),
        (["a", "b"], "expected numbers"),
    ],
)
def test_wrong_vectors_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        vector(values, "scores")
