import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from zcproxy.analysis import (
    NAMED,
    agreement,
    agreement_table,
    overlap,
    partial_spearman,
    range_table,
    regret,
    spearman,
    top_spearman,
    with_combinations,
)
from zcproxy.analysis.table import missing_in_words
from zcproxy.errors import InputError
from zcproxy.kinds import NOT_SCORED, UNKNOWN

N = 60


@pytest.fixture
def scores():
    """Sixty architectures: a good proxy with failures, a reversed one, a flat one, a baseline."""
    rng = np.random.default_rng(0)
    quality = rng.normal(size=N)
    good = quality + rng.normal(size=N)
    good[:7] = math.nan
    reverse = np.round(-quality + rng.normal(size=N), 1)
    reverse[5:9] = math.nan
    return pd.DataFrame(
        {
            "architecture": [f"cell{i}" for i in range(N)],
            "good": good,
            "reverse": reverse,
            "flat": 2.0,
            "live_params": np.round(quality + rng.normal(size=N)),
        }
    )


@pytest.fixture
def truth(scores):
    rng = np.random.default_rng(0)
    accuracy = 50 + 10 * rng.normal(size=N)
    return pd.Series(accuracy, index=scores["architecture"], name="cifar10_test_200")


def test_every_number_is_that_of_its_function(scores, truth):
    table = agreement_table(scores, truth, ["good"], resamples=50, seed=3, top=0.2, ks=(5, 9))
    row = table.set_index("proxy").loc["good"]
    x, y = scores["good"][7:].to_numpy(), truth[7:].to_numpy()
    base = scores["live_params"][7:].to_numpy()
    expected = agreement(x, y, resamples=50, seed=3)
    assert (row["spearman"], row["spearman_low"], row["spearman_high"]) == (
        expected.spearman,
        *expected.spearman_interval,
    )
    assert (row["kendall"], row["kendall_low"], row["kendall_high"]) == (
        expected.kendall,
        *expected.kendall_interval,
    )
    assert (row["n"], row["ties"], row["failures"]) == (53, 0, 7)
    assert row["partial"] == partial_spearman(x, y, base)
    assert row["top20"] == top_spearman(scores["good"], truth, 0.2)
    best = truth.to_numpy() >= np.sort(truth)[-12]
    assert row["top20_n"] == (best & scores["good"].notna().to_numpy()).sum() < 12
    for k in (5, 9):
        assert row[f"overlap@{k}"] == overlap(x, y, k)
        assert row[f"regret@{k}"] == regret(x, y, k)
    assert row["reason"] is None


@pytest.mark.parametrize("failures", ["omit", "last", "common"])
def test_the_top_is_of_all_architectures_compared(scores, truth, failures):
    """Where failures count last they are in it; where they are left out, the top stays the same."""
    scores = scores.assign(whole=np.arange(len(scores), dtype=float))
    names = ["good", "whole"]
    table = agreement_table(scores, truth, names, None, failures, resamples=0, top=0.25)
    row = table.set_index("proxy").loc["good"]
    x, y = scores["good"].to_numpy(), truth.to_numpy()
    if failures == "last":
        x = np.where(np.isnan(x), np.nanmin(x) - 1, x)
    if failures == "common":
        x, y = x[7:], y[7:]
    best = y >= np.sort(y)[-round(len(y) / 4)]
    entered = best & ~np.isnan(x)
    assert row["top25"] == pytest.approx(spearmanr(x[entered], y[entered]).statistic)
    have = scores["good"].notna().to_numpy()[-len(y) :]
    assert row["top25_n"] == (best & have).sum()
    assert row["top25_n"] < best.sum() or failures == "common"
    assert table.set_index("proxy").loc["whole", "top25_n"] == round(len(y) / 4)


def test_ranges_and_the_table_have_one_top(scores, truth):
    table = agreement_table(scores, truth, ["good"], None, resamples=0).iloc[0]
    row = range_table(scores, truth, ["good"], resamples=0).set_index("range").loc["top 10 %"]
    assert table["top10"] == row["spearman"]
    assert table["top10_n"] == row["n"]


def test_the_baseline_has_a_row_of_its_own(scores, truth):
    table = agreement_table(scores, truth, ["good"], resamples=0)
    assert table["proxy"].tolist() == ["good", "live_params"]
    assert table["partial"].isna().tolist() == [False, True]
    assert table["reason"].isna().all()
    assert "partial" not in agreement_table(scores, truth, ["good"], None, resamples=0)


def test_signs_are_kept(scores, truth):
    table = agreement_table(scores, truth, ["good", "reverse"], resamples=20)
    assert table["spearman"][0] > 0.3 and table["spearman"][1] < -0.3
    assert table["kendall_high"][1] < 0


def test_what_does_not_exist_is_na_with_a_reason(scores, truth):
    table = agreement_table(scores, truth, ["flat"], resamples=10, ks=(10, 100))
    assert table["reason"][1] == "overlap@100, regret@100: only 60 architectures to select 100 from"
    row = table.iloc[0]
    for name in ("spearman", "spearman_low", "kendall", "kendall_high", "partial", "top10"):
        assert row[name] is pd.NA
    assert "all 60 scores are equal" in row["reason"]
    assert "overlap@100, regret@100: only 60 architectures to select 100 from" in row["reason"]
    assert (row["n"], row["ties"], row["failures"]) == (60, 60, 0)
    assert row["overlap@10"] == pytest.approx(10 / 60)


def test_a_proxy_that_always_fails_is_a_row(scores, truth):
    table = agreement_table(scores.assign(flat=math.nan), truth, ["flat"], resamples=10)
    assert (table["n"][0], table["failures"][0]) == (0, 60)
    assert "0 architecture(s) with scores" in table["reason"][0]


def test_a_proxy_that_echoes_the_baseline_has_no_partial(scores, truth):
    echo = scores.assign(good=2 * scores["live_params"])
    table = agreement_table(echo, truth, ["good"], resamples=0)
    row = table.iloc[0]
    assert row["partial"] is pd.NA
    assert table["reason"][1] is None
    assert row["reason"].startswith("partial: the scores rank the architectures exactly as")


def test_policies_change_n(scores, truth):
    def counts(failures):
        table = agreement_table(scores, truth, ["good", "reverse"], None, failures, resamples=0)
        return table["n"].tolist(), table["failures"].tolist()

    assert counts("omit") == ([53, 56], [7, 4])
    assert counts("last") == ([60, 60], [7, 4])
    assert counts("common") == ([51, 51], [7, 4])


def test_the_common_subset_is_that_of_the_chosen_proxies(scores, truth):
    table = agreement_table(scores, truth, ["reverse"], None, "common", resamples=0)
    assert table["n"].tolist() == [56]
    both = agreement_table(scores, truth, ["good", "reverse"], None, "common", resamples=0)
    x, y = scores["reverse"][9:].to_numpy(), truth[9:].to_numpy()
    assert both["spearman"][1] == spearman(x, y)


def test_the_partial_correlation_follows_the_policy(scores, truth):
    row = agreement_table(scores, truth, ["good"], failures="last", resamples=0).iloc[0]
    filled = scores["good"].fillna(-1e9)
    assert row["partial"] == partial_spearman(filled, truth, scores["live_params"])


def test_failures_of_the_baseline_leave_the_partial_correlation_of_the_rest(scores, truth):
    scores.loc[50:, "live_params"] = math.nan
    row = agreement_table(scores, truth, ["good"], resamples=0).iloc[0]
    x, y, z = (side[7:50] for side in (scores["good"], truth, scores["live_params"]))
    assert row["n"] == 53
    assert row["partial"] == partial_spearman(x, y, z)


def test_settings_travel_with_the_table(scores, truth):
    extra = pd.concat([scores, scores[:1].assign(architecture="unknown")])
    table = agreement_table(extra, truth, ["good"], resamples=5, seed=2)
    assert table.attrs == {
        "accuracy": "cifar10_test_200",
        "architectures": 60,
        "baseline": "live_params",
        "failures": "omit",
        "resamples": 5,
        "seed": 2,
        "top": 0.1,
        "ks": [10],
        "missing": [],
    }


def test_a_reason_is_told_once_with_all_it_leaves_empty(scores, truth):
    scores["good"] = np.arange(float(N))
    table = agreement_table(scores, truth, ["flat", "good"], resamples=0, ks=(10, 99))
    constant, *others = table.attrs["missing"]
    assert constant["proxies"] == ["flat"]
    assert set(constant["columns"]) >= {"spearman", "spearman_low", "kendall", "partial"}
    assert [entry["proxies"] for entry in others if "overlap@99" in entry["columns"]] == [
        table["proxy"].tolist()
    ]
    for entry in table.attrs["missing"]:
        rows = table[table["proxy"].isin(entry["proxies"])]
        assert rows[entry["columns"]].isna().all(axis=None)
        assert all(entry["reason"] in reason for reason in rows["reason"])
    lines = missing_in_words(table, "`")
    assert len(lines) == len(table.attrs["missing"])
    assert lines[0].startswith("`flat`: spearman, kendall, partial")
    assert any(line.startswith("all proxies: overlap@99, regret@99: only ") for line in lines)
    assert not any("_low" in line or "_high" in line for line in lines)


def test_all_proxies_are_the_default_and_progress_counts_them(scores, truth):
    seen = []
    table = agreement_table(scores, truth, resamples=0, progress=lambda *at: seen.append(at))
    assert table["proxy"].tolist() == ["good", "reverse", "flat", "live_params"]
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_wrong_names_are_refused(scores, truth):
    with pytest.raises(InputError, match="did you mean 'good'"):
        agreement_table(scores, truth, ["goood"])
    with pytest.raises(InputError, match="no proxy among the scores named 'parameters'"):
        agreement_table(scores, truth, ["good"], baseline="parameters")
    with pytest.raises(InputError, match="no failure policy"):
        agreement_table(scores, truth, failures="first")
    with pytest.raises(InputError, match="k >= 1"):
        agreement_table(scores, truth, ["good"], resamples=0, ks=(0,))


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_is_not_known_is_not_last(scores, truth, kind):
    """Of seven failures of `good` two are not known: they leave the ranking, not its last place."""
    scores = scores.assign(good_failure=[kind] * 2 + ["disconnected"] * 5 + [None] * (N - 7))
    table = agreement_table(scores, truth, ["good"], None, "last", resamples=0, top=0.25)
    row = table.iloc[0]
    x, y = scores["good"][2:].to_numpy(), truth[2:].to_numpy()
    last = np.where(np.isnan(x), np.nanmin(x) - 1, x)
    assert (row["n"], row["failures"]) == (N - 2, 5 if kind == NOT_SCORED else 7)
    assert row["spearman"] == pytest.approx(spearmanr(last, y).statistic)
    best = y >= np.sort(truth)[-round(N / 4)]  # the same top for every proxy
    assert row["top25"] == pytest.approx(spearmanr(last[best], y[best]).statistic)
    whole = agreement_table(scores, truth, ["good"], None, "omit", resamples=0).iloc[0]
    assert whole["n"] == N - 7


def test_a_combination_that_was_left_empty_is_not_ranked_last(scores, truth):
    members = NAMED["blind"].members
    rng = np.random.default_rng(4)
    frame = scores[["architecture"]].assign(**{name: rng.normal(size=N) for name in members})
    frame.loc[:9, "zen"] = math.nan
    frame["zen_failure"] = ["not_scored"] * 6 + ["overflow"] * 4 + [None] * (N - 10)
    made = with_combinations(frame, ["blind"])
    row = agreement_table(made, truth, ["blind"], None, "last", resamples=0).iloc[0]
    assert (row["n"], row["failures"]) == (N - 6, 0)
    known = made["blind"].notna().to_numpy()
    expected = spearmanr(made["blind"][known], truth.to_numpy()[known]).statistic
    assert row["spearman"] == pytest.approx(expected)


def test_a_selection_from_a_sample_is_none_from_all(scores, truth):
    """Picking five of the twenty that are scored finds more of the best five than from all."""
    good = scores["good"].where(np.arange(N) < 20)
    failure = np.where(np.arange(N) < 20, None, NOT_SCORED)
    frame = scores.assign(good=good, good_failure=failure)
    table = agreement_table(frame, truth, ["good"], resamples=0, ks=(5,))
    row = table.iloc[0]
    assert row["spearman"] is not pd.NA
    assert row[["overlap@5", "regret@5"]].isna().all()
    assert "only a sample is scored" in row["reason"]
    assert table.iloc[1][["overlap@5", "regret@5"]].notna().all()
    common = agreement_table(frame, truth, ["good"], failures="common", resamples=0, ks=(5,))
    assert common[["overlap@5", "regret@5"]].notna().all(axis=None)
    assert (common["n"] == common["n"].iloc[0]).all()
