import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from zcproxy.analysis.stability import averages, intraclass, needed, spearman_brown, stability
from zcproxy.errors import InputError, MeasureError


def slow_icc(values):
    """Both coefficients from sums of squares, term by term."""
    k, n = len(values), len(values[0])
    grand = sum(values[j][i] for j in range(k) for i in range(n)) / (k * n)
    by_architecture = [sum(values[j][i] for j in range(k)) / k for i in range(n)]
    by_run = [sum(values[j][i] for i in range(n)) / n for j in range(k)]
    between = sum(k * (m - grand) ** 2 for m in by_architecture) / (n - 1)
    runs = sum(n * (m - grand) ** 2 for m in by_run) / (k - 1)
    total = sum((values[j][i] - grand) ** 2 for j in range(k) for i in range(n))
    left = total - (n - 1) * between - (k - 1) * runs
    error = left / ((n - 1) * (k - 1))
    return (
        (between - error) / (between + (k - 1) * error + k * (runs - error) / n),
        (between - error) / (between + (k - 1) * error),
    )


def test_the_published_example():
    """Table 2 of Shrout and Fleiss 1979: six targets, four judges; ICC(2,1) .29, ICC(3,1) .71."""
    ratings = [[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7]]
    absolute, consistent = intraclass(ratings)
    assert absolute == pytest.approx(0.29, abs=0.005)
    assert consistent == pytest.approx(0.71, abs=0.006)
    assert intraclass(ratings) == pytest.approx(slow_icc(ratings))


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 4), st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_intraclass_is_the_analysis_of_variance(k, n, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=n) + rng.normal(size=(k, n)) + rng.normal(size=(k, 1))
    assert intraclass(values) == pytest.approx(slow_icc(values.tolist()), rel=1e-6)
    assert intraclass(1e200 * values) == pytest.approx(intraclass(values))
    assert intraclass(values + 7)[1] == pytest.approx(intraclass(values)[1])
    weights = rng.integers(0, 4, size=n)
    weights[:2] = 1
    repeated = np.repeat(values, weights, axis=1)
    assert intraclass(values, weights) == pytest.approx(intraclass(repeated))


def test_a_shift_of_one_run_breaks_absolute_agreement_alone():
    values = np.stack([np.arange(10.0), np.arange(10.0) + 100])
    absolute, consistent = intraclass(values)
    assert consistent == pytest.approx(1)
    assert absolute < 0.01


def test_what_has_no_intraclass_correlation():
    with pytest.raises(InputError, match="k >= 2"):
        intraclass([[1.0, 2.0]])
    with pytest.raises(InputError, match="finite"):
        intraclass([[1.0, np.nan], [1.0, 2.0]])
    with pytest.raises(MeasureError, match="score the same"):
        intraclass(np.ones((2, 5)))
    with pytest.raises(MeasureError, match=r"1 architecture"):
        intraclass([[1.0], [2.0]])


def test_spearman_brown_and_its_inverse():
    assert spearman_brown(0.5, 1) == 0.5
    assert spearman_brown(0.5, 2) == pytest.approx(2 / 3)
    for r, target in itertools.product([0.05, 0.3, 0.5, 0.9, 0.999], [0.5, 0.9, 0.99]):
        m = needed(r, target)
        assert spearman_brown(r, m) >= target - 1e-12
        assert m == 1 or spearman_brown(r, m - 1) < target
    assert needed(0.9, 0.9) == needed(1.0, 0.99) == 1
    assert needed(0.0, 0.9) is needed(-0.1, 0.9) is None


@pytest.mark.parametrize(("k", "size", "ways"), [(2, 1, 1), (3, 1, 3), (4, 2, 3), (6, 3, 10)])
def test_averages_are_of_disjoint_groups(k, size, ways):
    ranks = np.eye(k)  # the mean over a group shows its members
    made = averages(ranks, size)
    assert len(made) == ways
    seen = {frozenset((tuple(one), tuple(other))) for one, other in made}
    assert len(seen) == ways
    for one, other in made:
        assert (one > 0).sum() == (other > 0).sum() == size
        assert not ((one > 0) & (other > 0)).any()
    assert len(averages(np.eye(8), 2)) == 20


def frames(values, labels=None):
    """One frame per run from (k, n) scores of the proxy snip."""
    names = [f"a{i}" for i in range(len(values[0]))]
    return {
        f"seed {j}": pd.DataFrame({"snip": run}, index=pd.Index(names, name="architecture"))
        for j, run in enumerate(values)
    }


def noisy(k, n, noise, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n) + noise * rng.normal(size=(k, n))


def test_without_ties_the_icc_of_ranks_is_the_mean_spearman():
    values = np.exp(noisy(3, 50, 0.5))
    found = stability(frames(values), ["snip"], resamples=200).table.iloc[0]
    pairs = itertools.combinations(values, 2)
    expected = np.mean([stats.spearmanr(*pair).statistic for pair in pairs])
    assert found["spearman"] == pytest.approx(expected)
    assert found["icc_ranks"] == pytest.approx(expected)
    assert found["icc"] == pytest.approx(slow_icc(values.tolist())[0])
    assert found["icc_low"] < found["icc"] < found["icc_high"]
    assert found["spearman_low"] < found["spearman"] < found["spearman_high"]
    assert found["spearman_least"] <= found["spearman"] <= found["spearman_most"]
    assert found["needed95"] == needed(expected, 0.95)
    assert found["needed95_low"] <= found["needed95"] <= found["needed95_high"]
    assert found["needed90"] <= found["needed95"] <= found["needed99"]
    assert (found["n"], found["runs"], found["incomplete"]) == (50, 3, 0)
    assert found["reason"] is None


def test_pairs_are_those_of_scipy():
    values = noisy(3, 40, 1.0)
    pairs = stability(frames(values), ["snip"], resamples=50).pairs
    assert list(zip(pairs["run"], pairs["other"], strict=True)) == [
        ("seed 0", "seed 1"),
        ("seed 0", "seed 2"),
        ("seed 1", "seed 2"),
    ]
    for (i, j), found in zip([(0, 1), (0, 2), (1, 2)], pairs["spearman"], strict=True):
        assert found == pytest.approx(stats.spearmanr(values[i], values[j]).statistic)


def test_the_prediction_comes_true_for_equally_noisy_runs():
    curve = stability(frames(noisy(8, 3000, 1.0)), ["snip"], resamples=20).curve
    measured = curve.dropna(subset=["measured"])
    assert measured["averaged"].tolist() == [1, 2, 3, 4]
    assert measured["measured"].to_numpy(float) == pytest.approx(
        measured["predicted"].to_numpy(float), abs=0.01
    )
    assert curve["predicted"].is_monotonic_increasing
    assert measured["measured"].is_monotonic_increasing
    assert curve["reason"].iloc[4] == "measured, measured_low, measured_high, splits: " + (
        "needs 10 runs to be measured"
    )


def test_failures_are_counted_and_left_out():
    values = noisy(2, 30, 0.5)
    values[0, :3] = values[1, 2:5] = np.nan
    found = stability(frames(values), ["snip"], resamples=10).table.iloc[0]
    assert (found["n"], found["incomplete"]) == (25, 5)
    assert found["spearman"] == pytest.approx(
        stats.spearmanr(values[0, 5:], values[1, 5:]).statistic
    )


def test_only_common_architectures_are_compared():
    runs = frames(noisy(2, 30, 0.5))
    runs["seed 1"] = runs["seed 1"].iloc[10:]
    assert stability(runs, ["snip"], resamples=10).table["n"].iloc[0] == 20
    runs["seed 1"].index = [f"b{i}" for i in range(20)]
    with pytest.raises(InputError, match="no architecture is in all of seed 0, seed 1"):
        stability(runs, ["snip"])
    with pytest.raises(InputError, match="at least two runs"):
        stability({"seed 0": runs["seed 0"]}, ["snip"])


def test_a_proxy_that_does_not_change_needs_one_run():
    found = stability(frames([np.arange(9.0)] * 3), ["snip"], resamples=50)
    row = found.table.iloc[0]
    assert [row[c] for c in ("icc", "icc_ranks", "spearman", "needed99")] == [1, 1, 1, 1]
    assert row["needed99_high"] == 1
    assert (found.curve["predicted"] == 1).all()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]], "all scores are equal in seed 0"),
        ([[1.0, np.nan, 1.0], [np.nan, 2.0, 3.0]], "1 architecture"),
        ([[np.nan, 1.0], [1.0, np.nan]], "0 architecture"),
    ],
)
def test_what_cannot_be_compared_has_a_reason(values, reason):
    found = stability(frames(values), ["snip"], resamples=5)
    for table in (found.table, found.pairs, found.curve):
        assert table["reason"].str.contains(reason, regex=False).all()
    assert found.table[["icc", "spearman", "needed95"]].isna().all(axis=None)


def test_opposite_runs_agree_never():
    found = stability(frames([np.arange(9.0), -np.arange(9.0)]), ["snip"], resamples=20)
    row = found.table.iloc[0]
    assert row["spearman"] == -1
    assert pd.isna(row["needed90"])
    assert "do not agree at all" in row["reason"]


def test_infinite_scores_have_ranks_but_no_variance():
    values = noisy(2, 10, 0.1)
    values[:, 0] = np.inf
    row = stability(frames(values), ["snip"], resamples=5).table.iloc[0]
    assert pd.isna(row["icc"])
    assert "infinite" in row["reason"]
    assert row["spearman"] > 0.5


def test_no_resamples_no_intervals():
    row = stability(frames(noisy(2, 10, 0.1)), ["snip"], resamples=0).table.iloc[0]
    assert row["spearman"] > 0.5
    assert pd.isna(row["spearman_low"])
    assert pd.isna(row["icc_high"])
    assert row["needed95"] >= 1


def crossed(seeds, batches, n=400, single=1.0, shared=1.0):
    """Runs of all seeds with all batches, each of which adds noise of its own, and what made them.

    Two runs that share nothing correlate by 1 / (1 + 2 shared^2 + single^2).
    """
    rng = np.random.default_rng(3)
    quality = rng.normal(size=n)
    of_seed, of_batch = rng.normal(size=(seeds, n)), rng.normal(size=(batches, n))
    grid = list(itertools.product(range(seeds), range(batches)))
    values = [
        quality + shared * (of_seed[s] + of_batch[b]) + single * rng.normal(size=n) for s, b in grid
    ]
    return values, {f"seed {j}": pair for j, pair in enumerate(grid)}


def test_pairs_that_share_a_seed_or_a_batch_do_not_count():
    values, made_from = crossed(3, 3)
    found = stability(frames(values), ["snip"], "both", 50, made_from=made_from)
    row, cells = found.table.iloc[0], list(made_from.values())
    apart = [
        (i, j)
        for i, j in itertools.combinations(range(9), 2)
        if cells[i][0] != cells[j][0] and cells[i][1] != cells[j][1]
    ]
    assert len(apart) == row["compared"] == 18
    each = [stats.spearmanr(values[i], values[j]).statistic for i, j in apart]
    assert row["spearman"] == pytest.approx(np.mean(each))
    assert row["icc_ranks"] == pytest.approx(np.mean(each))
    assert (row["spearman_least"], row["spearman_most"]) == pytest.approx((min(each), max(each)))
    assert row["icc"] == pytest.approx(
        np.mean([slow_icc([values[i].tolist(), values[j].tolist()])[0] for i, j in apart])
    )
    assert row["icc_low"] < row["icc"] < row["icc_high"]
    assert row["needed95"] == needed(np.mean(each), 0.95)
    every = stability(frames(values), ["snip"], "both", 0).table.iloc[0]
    assert every["compared"] == 36
    assert every["spearman"] > row["spearman"] + 0.05
    assert every["needed95"] < row["needed95"]
    entered = found.pairs[found.pairs["entered"] == 1]
    assert list(zip(entered["run"], entered["other"], strict=True)) == [
        (f"seed {i}", f"seed {j}") for i, j in apart
    ]
    assert len(found.pairs) == 36


def test_averages_whose_runs_share_something_are_not_measured():
    values, made_from = crossed(3, 3)
    curve = stability(frames(values), ["snip"], "both", 0, made_from=made_from).curve
    assert curve["measured"].notna().tolist() == [True] + [False] * 9
    assert "of which no two share a seed or a batch" in curve["reason"].iloc[1]
    values, made_from = crossed(4, 4, n=4000)
    curve = stability(frames(values), ["snip"], "both", 0, made_from=made_from).curve
    two = curve.iloc[1]
    assert two["measured"] == pytest.approx(two["predicted"], abs=0.03)


def test_runs_that_all_share_something():
    values, made_from = crossed(1, 3)
    with pytest.raises(InputError, match="share a seed or a batch"):
        stability(frames(values), ["snip"], "both", 0, made_from=made_from)


def test_averaging_is_judged_by_accuracy():
    values = noisy(4, 80, 1.0)
    values[1, 0] = np.nan
    runs = frames(values)
    rng = np.random.default_rng(0)  # the seed of `noisy`: its first draw is the quality
    truth = pd.Series(rng.normal(size=80), index=[f"a{i}" for i in range(80)])
    truth.iloc[-3:] = np.nan
    row = stability(runs, ["snip"], resamples=100, accuracies=truth).table.iloc[0]
    ranks = np.array([stats.rankdata(run[1:]) for run in values])[:, :-3]
    accuracy = truth.to_numpy()[1:-3]
    each = [stats.spearmanr(run, accuracy).statistic for run in ranks]
    mean = stats.spearmanr(ranks.mean(axis=0), accuracy).statistic
    assert row["n_accuracy"] == 76
    assert row["single"] == pytest.approx(np.mean(each))
    assert (row["single_least"], row["single_most"]) == pytest.approx((min(each), max(each)))
    assert row["averaged"] == pytest.approx(mean)
    assert row["gain"] == pytest.approx(mean - np.mean(each))
    assert row["gain"] > 0.05
    for name in ("single", "averaged", "gain"):
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
    plain = stability(runs, ["snip"], resamples=0, accuracies=truth).table.iloc[0]
    assert plain["averaged"] == row["averaged"]
    assert pd.isna(plain["averaged_low"])
    assert "averaged" not in stability(runs, ["snip"], resamples=0).table


def test_no_accuracies_to_judge_averages_by():
    truth = pd.Series(np.nan, index=[f"a{i}" for i in range(30)])
    found = stability(frames(noisy(2, 30, 1.0)), ["snip"], resamples=5, accuracies=truth)
    row = found.table.iloc[0]
    assert pd.isna(row["averaged"])
    assert "accuracies" in row["reason"]
    assert row["spearman"] > 0


def test_a_proxy_without_any_value_has_a_reason_beside_accuracies():
    runs = {label: frame.assign(meco=np.nan) for label, frame in frames(noisy(2, 30, 1.0)).items()}
    truth = pd.Series(np.arange(30.0), index=[f"a{i}" for i in range(30)])
    found = stability(runs, ["meco", "snip"], resamples=5, accuracies=truth)
    table = found.table.set_index("proxy")
    assert pd.isna(table.loc["meco", "averaged"])
    assert "0 architecture(s) with a value in all runs" in table.loc["meco", "reason"]
    assert "accuracies" not in table.loc["meco", "reason"]  # of which there are enough
    assert (table.loc["meco", "n"], table.loc["meco", "n_accuracy"]) == (0, 0)
    assert pd.notna(table.loc["snip", "averaged"])


@pytest.mark.parametrize("single", [-1.0, -0.6, 0.0])
def test_nothing_is_predicted_from_runs_that_do_not_agree(single):
    with pytest.raises(MeasureError, match="do not agree"):
        spearman_brown(single, 3)


def test_a_negative_end_predicts_nothing():
    """Spearman-Brown of -.6 for three runs would be +9."""
    values = noisy(2, 8, 1.0, seed=5)
    found = stability(frames(values), ["snip"], resamples=200)
    row = found.table.iloc[0]
    assert row["spearman_low"] < 0 < row["spearman"] < row["spearman_high"]
    assert found.curve["predicted_low"].isna().all()
    assert found.curve["predicted"].between(0, 1).all()
    assert (found.curve["predicted_high"] >= found.curve["predicted"]).all()
    assert found.curve["predicted_high"].max() <= 1


def test_averages_are_of_all_runs_even_of_those_that_share_something():
    values, made_from = crossed(2, 2, n=60)
    truth = pd.Series(np.arange(60.0), index=[f"a{i}" for i in range(60)])
    apart = stability(frames(values), ["snip"], "both", 0, made_from=made_from, accuracies=truth)
    plain = stability(frames(values), ["snip"], "both", 0, accuracies=truth)
    for name in ("single", "averaged", "gain"):
        assert apart.table[name].tolist() == plain.table[name].tolist()
    assert apart.table["compared"][0] < plain.table["compared"][0]
