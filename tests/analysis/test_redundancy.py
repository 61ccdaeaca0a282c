import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from zcproxy.analysis.redundancy import effective_numbers, redundancy
from zcproxy.errors import InputError, MeasureError


@pytest.fixture
def scores():
    """Two families of proxies, one proxy of its own, and one that fails twice."""
    rng = np.random.default_rng(0)
    size, shape = rng.normal(size=(2, 80))
    frame = pd.DataFrame(
        {
            "params": np.round(size, 1),
            "flops": np.exp(np.round(size, 1)),
            "snip": size + 0.3 * rng.normal(size=80),
            "nwot": shape,
            "plain": -shape + 0.3 * rng.normal(size=80),
            "noise": rng.normal(size=80),
        }
    )
    frame.loc[:1, "nwot"] = np.nan
    return frame


def eigen_oracle(matrix):
    shares = [value.real / len(matrix) for value in np.linalg.eigvals(matrix)]
    participation = 1 / sum(q * q for q in shares)
    return participation, np.exp(-sum(q * np.log(q) for q in shares if q > 1e-15))


def test_effective_numbers_of_extremes():
    assert effective_numbers(np.eye(5)) == pytest.approx((5, 5))
    assert effective_numbers(np.ones((5, 5))) == pytest.approx((1, 1))
    two = np.kron(np.eye(2), np.ones((3, 3)))
    assert effective_numbers(two) == pytest.approx((2, 2))
    stack = effective_numbers(np.stack([np.eye(3), np.ones((3, 3))]))
    assert np.array(stack) == pytest.approx(np.array([[3, 1], [3, 1]]))


def test_effective_numbers_of_data(scores):
    matrix = scores.dropna().corr("spearman").to_numpy()
    found = effective_numbers(matrix)
    assert found == pytest.approx(eigen_oracle(matrix))
    assert found[0] == pytest.approx(len(matrix) ** 2 / (matrix**2).sum())
    assert 1 < found[0] < found[1] < 6


def test_everything_is_on_the_common_architectures(scores):
    found = redundancy(scores, list(scores), resamples=100)
    common = scores.dropna()
    assert (found.table["n"] == 78).all()
    assert found.table.set_index("proxy")["failures"].to_dict() == {
        "params": 0, "flops": 0, "snip": 0, "nwot": 2, "plain": 0, "noise": 0,
    }  # fmt: skip
    for _, row in found.pairs.iterrows():
        expected = stats.spearmanr(common[row["proxy"]], common[row["other"]]).statistic
        assert row["spearman"] == pytest.approx(expected)
        assert row["spearman_low"] <= row["spearman"] <= row["spearman_high"]
    assert len(found.pairs) == 15
    values = found.effective.set_index("measure")
    assert values.loc["entropy", "value"] == pytest.approx(
        eigen_oracle(common.corr("spearman").to_numpy())[1]
    )
    assert values.loc["entropy", "value_low"] < values.loc["entropy", "value_high"]


def test_the_nearest_and_what_others_explain(scores):
    found = redundancy(scores, list(scores), resamples=50).table.set_index("proxy")
    assert found.loc["params", "nearest"] == "flops"
    assert found.loc["params", "spearman"] == 1
    assert found.loc["nwot", "nearest"] == "plain"
    assert found.loc["nwot", "spearman"] < -0.8
    assert found.loc["params", "explained"] == pytest.approx(1)
    ranks = scores.dropna().rank()
    for name in ("snip", "noise"):
        design = np.column_stack([np.ones(78), ranks.drop(columns=name)])
        fit = design @ np.linalg.lstsq(design, ranks[name], rcond=None)[0]
        expected = 1 - ((ranks[name] - fit) ** 2).sum() / ((ranks[name] - 39.5) ** 2).sum()
        assert found.loc[name, "explained"] == pytest.approx(expected)
        low, high = found.loc[name, ["explained_low", "explained_high"]]
        assert low < high


def test_similar_proxies_stand_side_by_side(scores):
    found = redundancy(scores, list(scores), resamples=5)
    order = list(found.correlations.columns)
    assert abs(order.index("params") - order.index("flops")) == 1
    places = found.table.set_index("proxy")["place"].to_dict()
    assert sorted(places, key=places.get) == order


def test_proxies_that_order_nothing_are_named_and_left_out(scores):
    found = redundancy(scores.assign(flat=1.0, never=np.nan), [*scores, "flat", "never"], 5)
    rows = found.table.set_index("proxy")
    assert (rows["n"] == 78).all()
    for name in ("flat", "never"):
        assert rows.loc[name, ["place", "spearman", "explained"]].isna().all()
        assert "no two different values" in rows.loc[name, "reason"]
    assert rows.loc["never", "failures"] == 80
    assert set(found.correlations) == set(scores)


def test_few_architectures_explain_nothing(scores):
    found = redundancy(scores.iloc[2:9], list(scores), resamples=20)
    assert found.table["explained"].isna().all()
    assert found.table["reason"].str.contains("needs more than 7 architectures").all()
    assert len(redundancy(scores.iloc[2:11], list(scores), 5).table["explained"].dropna()) == 6


def test_too_little_to_compare(scores):
    with pytest.raises(MeasureError, match="1 of 2 proxies order"):
        redundancy(scores.assign(flat=1.0), ["snip", "flat"])
    with pytest.raises(InputError, match="nosuch"):
        redundancy(scores, ["snip", "nosuch"])


def test_all_pairs_are_there(scores):
    pairs = redundancy(scores, list(scores), resamples=0).pairs
    assert set(zip(pairs["proxy"], pairs["other"], strict=True)) == set(
        itertools.combinations(scores, 2)
    )
    assert pairs["spearman_low"].isna().all()


def test_one_proxy_is_not_redundant(scores):
    with pytest.raises(InputError, match="name two or more"):
        redundancy(scores, ["snip"])
