import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from zcproxy.analysis.halves import random_halves
from zcproxy.analysis.ranges import accuracy_bands, range_table, selection_table
from zcproxy.analysis.selection import expected_mean
from zcproxy.errors import InputError, MeasureError

N = 200


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    names = pd.Index([f"a{i}" for i in range(N)], name="architecture")
    accuracy = np.round(90 + rng.normal(size=N), 1)
    scores = pd.DataFrame({"snip": accuracy + rng.normal(size=N), "flat": 1.0}, index=names)
    scores["some"] = np.where(accuracy > 90, np.nan, accuracy)
    return scores.reset_index(), pd.Series(accuracy, index=names, name="cifar10_test_200")


def test_bands_hold_equal_numbers_and_keep_ties_together():
    assert accuracy_bands(np.arange(20.0), 5).tolist() == sorted(list(range(1, 6)) * 4)
    assert accuracy_bands([3.0, 1.0, 2.0], 3).tolist() == [3, 1, 2]
    tied = np.array([1.0] * 7 + [2.0] * 3)
    assert len(set(accuracy_bands(tied, 5)[:7])) == len(set(accuracy_bands(tied, 5)[7:])) == 1
    with pytest.raises(InputError, match="at least 2"):
        accuracy_bands([1.0], 1)


def test_every_architecture_is_in_one_band(data):
    table = range_table(*data, ["snip"], resamples=20)
    bands = table[table["range"].str.startswith("band")]
    assert bands["n"].sum() == N
    assert len(bands) == 10
    assert bands["accuracy_low"].is_monotonic_increasing
    assert (bands["accuracy_low"].iloc[1:].to_numpy() > bands["accuracy_high"].iloc[:-1]).all()


def test_coefficients_of_a_range_are_scipys(data):
    scores, truth = data
    table = range_table(scores, truth, ["snip"], resamples=50).set_index("range")
    y, x = truth.to_numpy(), scores["snip"].to_numpy()
    edges = {"all": y.min(), "top 10 %": np.sort(y)[-20], "top 50 %": np.sort(y)[-100]}
    for label, least in edges.items():
        here = y >= least
        row = table.loc[label]
        assert row["n"] == here.sum()
        assert row["accuracy_low"] == least
        assert row["spearman"] == pytest.approx(stats.spearmanr(x[here], y[here]).statistic)
        assert row["kendall"] == pytest.approx(stats.kendalltau(x[here], y[here]).statistic)
        assert row["spearman_low"] < row["spearman"] < row["spearman_high"]


def test_missing_numbers_of_ranges_have_reasons(data):
    table = range_table(*data, ["flat", "some"], resamples=5).set_index(["proxy", "range"])
    assert "equal" in table.loc[("flat", "all"), "reason"]
    row = table.loc[("some", "top 10 %")]
    assert row["n"] == 0
    assert row["failures"] >= 20
    assert "only 0 architectures" in row["reason"]
    assert table.loc[("some", "all"), "spearman"] == 1


def test_tiny_inputs(data):
    scores, truth = data
    table = range_table(scores.iloc[:5], truth, ["snip"], resamples=5).set_index("range")
    assert table.loc["all", "n"] == 5
    assert table.loc["band 1 of 10", ["n", "spearman"]].tolist() == [0, pd.NA]
    assert pd.isna(table.loc["band 1 of 10", "accuracy_low"])
    with pytest.raises(InputError, match="shares"):
        range_table(scores, truth, ["snip"], shares=(0.0,))


def test_expected_mean_over_ties():
    scores, y, k = [1, 2, 2, 2, 3], [9.0, 1.0, 2.0, 6.0, 4.0], 3
    border = [1.0, 2.0, 6.0]
    expected = np.mean([(4.0 + sum(pair)) / 3 for pair in itertools.combinations(border, 2)])
    assert expected_mean(scores, y, k) == pytest.approx(expected)
    assert expected_mean(scores, y, 5) == pytest.approx(np.mean(y))
    with pytest.raises(MeasureError, match="only 5"):
        expected_mean(scores, y, 6)


def test_selection_without_ties_counts(data):
    scores, truth = data
    rng = np.random.default_rng(1)
    truth = truth + rng.random(N) * 1e-3
    table = selection_table(scores, truth, ["snip"], halves=60).set_index("selected")
    y, x = truth.to_numpy(), scores["snip"].to_numpy()
    for label, k in {"top 10 %": 20, "top 1 %": 2, "10 best": 10, "100 best": 100}.items():
        row = table.loc[label]
        picked, best = set(np.argsort(-x)[:k]), set(np.argsort(-y)[:k])
        assert row["k"] == k
        assert row["overlap"] == pytest.approx(len(picked & best) / k)
        assert row["mean"] == pytest.approx(y[list(picked)].mean())
        assert row["regret"] == pytest.approx(y.max() - y[list(picked)].max())
        assert row["chance_overlap"] == pytest.approx(k / N)
        assert row["chance_mean"] == pytest.approx(y.mean())
        assert pd.isna(row["overlap_low"]) == (k < 10)
    row = table.loc["100 best"]
    assert row["overlap_low"] < row["overlap_high"]
    assert row["mean_low"] < row["mean"] < row["mean_high"]


def test_a_share_is_one_of_all(data):
    """A proxy that lacks values picks as many as the others, of those that have one."""
    scores, truth = data
    table = selection_table(scores, truth, ["some", "snip"], halves=0).set_index(
        ["proxy", "selected"]
    )
    assert table.loc[("some", "top 10 %"), "k"] == table.loc[("snip", "top 10 %"), "k"] == 20
    assert table.loc[("some", "top 10 %"), "n"] < N


def test_a_constant_score_selects_by_chance(data):
    row = selection_table(*data, ["flat"], halves=0).set_index("selected").loc["10 best"]
    for what in ("overlap", "mean", "regret"):
        assert row[what] == pytest.approx(row[f"chance_{what}"])


def test_selections_larger_than_what_there_is(data):
    scores, truth = data
    row = selection_table(scores.iloc[:30], truth, ["snip"]).set_index("selected").loc["100 best"]
    assert pd.isna(row["overlap"])
    assert "only 30 architectures to select 100 from" in row["reason"]


def test_intervals_of_selections_are_those_of_halves(data):
    scores, truth = data
    row = selection_table(scores, truth, ["snip"], halves=30, seed=2).set_index("selected")
    x, y = scores["snip"].to_numpy(), truth.to_numpy()
    drawn = []
    for half in random_halves(N, 30, seed=2):
        drawn.append(expected_mean(x[half], y[half], 10))  # 10 % of 100 as of 200
    expected = np.quantile(drawn, [0.025, 0.975])
    found = row.loc["top 10 %", ["mean_low", "mean_high"]].tolist()
    assert found == pytest.approx(expected.tolist())
