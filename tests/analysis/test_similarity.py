import math

import numpy as np
import pandas as pd
import pytest

from zcproxy.analysis import proxy_correlations, similarity_order, spearman

rng = np.random.default_rng(0)
Z = rng.normal(size=100)
FRAME = pd.DataFrame(
    {
        "far": rng.normal(size=100),
        "near": Z + 0.1 * rng.normal(size=100),
        "holes": np.where(np.arange(100) < 30, math.nan, -Z),
        "self": Z,
        "flat": 1.0,
    }
)


def test_every_pair_is_compared_where_both_have_values():
    found = proxy_correlations(FRAME)
    assert found.index.tolist() == found.columns.tolist() == list(FRAME.columns)
    assert found.loc["near", "self"] == spearman(FRAME["near"], FRAME["self"])
    assert found.loc["holes", "near"] == spearman(FRAME["holes"][30:], FRAME["near"][30:])
    assert found.loc["self", "holes"] == found.loc["holes", "self"] == -1
    assert found.loc["far", "far"] == 1


def test_a_constant_proxy_has_no_correlation_and_no_nan():
    found = proxy_correlations(FRAME, ["flat", "self"])
    assert found.loc["flat", "self"] is pd.NA
    assert found.loc["flat", "flat"] is pd.NA


def test_similar_proxies_are_neighbors():
    order = similarity_order(proxy_correlations(FRAME))
    assert sorted(order) == sorted(FRAME.columns)
    assert abs(order.index("near") - order.index("self")) == 1
    assert abs(order.index("holes") - order.index("self")) > 1


@pytest.mark.parametrize("names", [["far"], ["far", "near"]])
def test_few_proxies_keep_their_order(names):
    assert similarity_order(proxy_correlations(FRAME, names)) == names
