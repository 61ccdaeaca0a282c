import numpy as np
import pandas as pd
import pytest
from scipy import stats

from zcproxy.analysis.features import feature_sets, scaled_ranks, unit_variance
from zcproxy.errors import InputError

SCORES = pd.DataFrame(
    {
        "architecture": list("abcde"),
        "snip": [3.0, np.nan, -np.inf, 7.0, 3.0],
        "flat": [2.0] * 5,
        "snip_failure": [None, "disconnected", None, None, None],
    }
)
OPERATIONS = pd.DataFrame({"x": [0.0, 1, 0, 1, 1], "y": [1.0, 0, 1, 0, 0]}, index=list("edcba"))


def test_ranks_go_from_0_to_1_and_failures_tie_below_everything():
    assert scaled_ranks(SCORES["snip"].to_numpy()) == pytest.approx([0.625, 0, 0.25, 1, 0.625])
    two = np.array([np.nan, 5.0, np.nan, -np.inf])
    assert scaled_ranks(two) == pytest.approx([1 / 6, 1, 1 / 6, 2 / 3])
    assert scaled_ranks(np.array([4.0])).tolist() == [0.0]
    x = np.random.default_rng(0).normal(size=40)
    assert scaled_ranks(x) == pytest.approx((stats.rankdata(x) - 1) / 39)


def test_a_set_has_a_variance_of_1_in_all_and_keeps_proportions():
    block = np.random.default_rng(0).normal(size=(50, 3)) * [1, 2, 5]
    made = unit_variance(block)
    assert made.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-12)
    assert sum(made[:, j].var() for j in range(3)) == pytest.approx(1)
    assert made[:, 2].std() / made[:, 0].std() == pytest.approx(
        block[:, 2].std() / block[:, 0].std()
    )
    assert (unit_variance(np.full((4, 2), 3.0)) == 0).all()


def test_sets_are_of_the_rows_of_the_scores():
    sets = feature_sets(SCORES, ["snip", "flat"], OPERATIONS)
    assert list(sets) == ["proxies", "operations", "both"]
    assert np.argsort(sets["proxies"][:, 0], kind="stable").tolist() == [1, 2, 0, 4, 3]
    assert (sets["proxies"][:, 1] == 0).all()
    assert np.sign(sets["operations"][:, 0]).tolist() == [1, 1, -1, 1, -1]
    assert (sets["both"] == np.hstack([sets["proxies"], sets["operations"]])).all()
    assert list(feature_sets(SCORES, ["snip"], None)) == ["proxies"]


def test_mistakes_of_features():
    with pytest.raises(InputError, match="no proxy among the scores named 'snipp'"):
        feature_sets(SCORES, ["snipp"], None)
    with pytest.raises(InputError, match="operations of 2 architectures lack, as of a"):
        feature_sets(SCORES, ["snip"], OPERATIONS.drop(["a", "c"]))
