import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from zcproxy.analysis.hardware import RANDOM, TRUE, hardware
from zcproxy.analysis.pareto import hypervolume, pareto_front
from zcproxy.errors import InputError

N = 60


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    names = pd.Index([f"a{i}" for i in range(N)], name="architecture")
    size = rng.integers(1, 9, N).astype(float)
    accuracy = np.round(70 + 2 * size + rng.normal(size=N), 1)
    scores = pd.DataFrame(
        {"oracle": accuracy, "size": size, "flat": 1.0, "never": np.nan}, index=names
    )
    scores["some"] = np.where(np.arange(N) < 5, np.nan, accuracy + rng.normal(size=N))
    truth = pd.Series(accuracy, index=names, name="cifar10_test_200")
    costs = pd.DataFrame({"pi_latency": size + rng.random(N), "tpu_latency": size}, index=names)
    costs.loc["a7", "tpu_latency"] = np.nan
    return scores.reset_index(), truth, costs


@pytest.fixture
def found(data):
    names = ["oracle", "size", "some", "flat", "never"]
    return hardware(*data, names, picks=(1, 5), resamples=30, halves=40)


def rows(table):
    return table.set_index(["cost", "proxy"])


def test_the_oracle_finds_the_whole_front(found):
    table = rows(found.table)
    for proxy in ("oracle", TRUE):
        row = table.loc[("pi_latency", proxy)]
        assert row[["recall", "precision", "hypervolume"]].tolist() == [1, 1, 1]
        assert row[["recall_low", "recall_high"]].tolist() == [1, 1]
        assert row["chosen"] == row["front"]
    lost = found.budgets[found.budgets["proxy"] == "oracle"]
    assert (lost["lost"] == 0).all()


def test_fronts_are_judged_by_what_they_are(data, found):
    scores, truth, costs = data
    y, c = truth.to_numpy(), costs["pi_latency"].to_numpy()
    score = scores["some"].to_numpy()
    usable = ~np.isnan(score)
    chosen = np.zeros(N, dtype=bool)
    chosen[usable] = pareto_front(score[usable], c[usable])
    front = pareto_front(y, c)
    row = rows(found.table).loc[("pi_latency", "some")]
    assert len(set(c)) == N, "without ties of costs every chosen one is a point"
    assert row["recall"] == pytest.approx((chosen & front).sum() / front.sum())
    assert row["precision"] == pytest.approx((chosen & front).sum() / chosen.sum())
    worst = (float(np.median(y)), float(c.max()))
    assert row["hypervolume"] == pytest.approx(
        hypervolume(y[chosen], c[chosen], worst) / hypervolume(y[front], c[front], worst)
    )
    assert row["spearman"] == pytest.approx(stats.spearmanr(score[usable], c[usable]).statistic)
    assert row["spearman_low"] < row["spearman"] < row["spearman_high"]
    assert row["hypervolume_low"] < row["hypervolume_high"] <= 1
    assert (row["n"], row["failures"], row["without_cost"]) == (N, 5, 0)
    listed = found.fronts[
        (found.fronts["proxy"] == "some") & (found.fronts["cost"] == "pi_latency")
    ]
    assert set(listed["architecture"]) == set(truth.index[chosen])
    assert listed["value"].is_monotonic_increasing
    assert listed["true"].sum() == (chosen & front).sum()


def test_what_a_score_knows_beyond_the_cost(data, found):
    scores, truth, costs = data
    known = scores["some"].notna().to_numpy()
    x, y, z = (
        stats.rankdata(np.asarray(side)[known])
        for side in (scores["some"], truth, costs["pi_latency"])
    )
    residuals = [side - np.polyval(np.polyfit(z, side, 1), z) for side in (x, y)]
    row = rows(found.table).loc[("pi_latency", "some")]
    assert row["partial"] == pytest.approx(np.corrcoef(*residuals)[0, 1])
    assert row["partial_low"] < row["partial"] < row["partial_high"]
    assert rows(found.table).loc[("pi_latency", TRUE), "partial":"partial_high"].isna().all()
    same = rows(found.table).loc[("tpu_latency", "size")]
    assert pd.isna(same["partial"])  # the size is the cost
    assert "exactly as the baseline does" in same["reason"]


def test_ties_are_drawn_from(data, found):
    """By brute force over every choice of one architecture per tied point of the front."""
    scores, truth, costs = data
    frame = pd.DataFrame(
        {"y": truth.to_numpy(), "c": costs["tpu_latency"].to_numpy(), "s": scores["size"]}
    ).dropna()
    points = [tied for _, tied in frame.groupby("c")]  # the size is the cost: all are on the front
    assert (frame["s"] == frame["c"]).all()
    best = frame[pareto_front(frame["y"], frame["c"])]
    worst = (frame["y"].median(), frame["c"].max())
    row = rows(found.table).loc[("tpu_latency", "size")]
    assert row["chosen"] == len(points) == frame["c"].nunique()
    assert row["front"] == len(best.drop_duplicates())
    assert row["recall"] < 1
    rng = np.random.default_rng(0)
    drawn = [[tied.iloc[rng.integers(len(tied))] for tied in points] for _ in range(3000)]
    areas = [hypervolume([p["y"] for p in one], [p["c"] for p in one], worst) for one in drawn]
    whole = hypervolume(best["y"], best["c"], worst)
    assert row["hypervolume"] == pytest.approx(np.mean(areas) / whole, rel=0.02)
    assert row["recall"] == pytest.approx(
        sum(tied["y"].isin(best.loc[best["c"] == tied["c"].iloc[0], "y"]).mean() for tied in points)
        / row["front"]
    )
    listed = found.fronts.query("cost == 'tpu_latency' and proxy == 'size'")
    assert (listed["tied"] == listed.groupby("value")["value"].transform("size")).all()


def test_an_architecture_without_a_cost_is_counted(found):
    row = rows(found.table).loc[("tpu_latency", "size")]
    assert (row["n"], row["without_cost"]) == (N - 1, 1)


def test_losses_are_expectations_over_ties(data, found):
    """By brute force: every way to pick k, best score first, from those within the budget."""
    scores, truth, costs = data
    y, size = truth.to_numpy(), scores["size"].to_numpy()
    c = costs["pi_latency"].to_numpy()
    table = found.budgets.set_index(["cost", "proxy", "share", "picks"])
    for share in (0.1, 0.5):
        row = table.loc[("pi_latency", "size", share, 1)]
        budget = sorted(c)[int(np.ceil(share * N)) - 1]
        assert row["budget"] == budget
        allowed = c <= budget
        assert row["within"] == allowed.sum() == np.ceil(share * N)
        top = allowed & (size == size[allowed].max())
        assert row["lost"] == pytest.approx(y[allowed].max() - y[top].mean())
    row = table.loc[("pi_latency", "flat", 0.25, 5)]
    allowed = np.flatnonzero(c <= row["budget"])
    ways = list(itertools.combinations(y[allowed], 5))
    assert row["lost"] == pytest.approx(y[allowed].max() - np.mean([max(way) for way in ways]))
    chance = table.loc[("pi_latency", RANDOM, 0.25, 5)]
    assert chance["lost"] == pytest.approx(row["lost"])


def test_what_does_not_exist_has_a_reason(found):
    table = rows(found.table)
    assert "all equal" in table.loc[("pi_latency", "flat"), "reason"]
    assert table.loc[("pi_latency", "flat"), "chosen"] == 1
    assert "no architecture has a score" in table.loc[("pi_latency", "never"), "reason"]
    assert table.loc[("pi_latency", "never"), "failures"] == N
    lost = found.budgets[found.budgets["proxy"] == "never"]
    assert lost["reason"].str.contains("fewer than").all()
    assert "never" not in set(found.fronts["proxy"])


def test_the_floor_is_low_and_stated(found):
    row = rows(found.table).loc[("pi_latency", RANDOM)]
    assert row["recall_low"] <= row["recall"] <= row["recall_high"] < 0.7
    assert row["hypervolume"] < 1
    assert pd.isna(row["spearman"])


def test_a_device_that_runs_nothing(data):
    scores, truth, costs = data
    costs["none_energy"] = np.nan
    found = hardware(scores, truth, costs, ["size"], resamples=5, halves=5)
    row = rows(found.table).loc[("none_energy", "size")]
    assert row["n"] == 0
    assert "no architecture has a none_energy" in row["reason"]


def test_few_architectures_have_no_interval(data):
    scores, truth, costs = data
    row = hardware(scores.iloc[:8], truth, costs, ["size"], resamples=5).table.iloc[1]
    assert row["recall"] >= 0
    assert pd.isna(row["recall_low"])
    one = hardware(scores.iloc[:1], truth, costs, ["size"], resamples=5).table.iloc[1]
    assert one["recall"] == 1
    assert pd.isna(one["hypervolume"])
    assert "above the median accuracy" in one["reason"]
    assert "all equal" in one["reason"]


def test_wrong_use(data):
    scores, truth, costs = data
    with pytest.raises(InputError, match="has a cost"):
        hardware(scores, truth, costs.rename(index=lambda a: f"x{a}"), ["size"])
    with pytest.raises(InputError, match="shares"):
        hardware(scores, truth, costs, ["size"], budgets=(2.0,))


def test_progress_counts_rows(data):
    seen = []
    hardware(*data, ["size"], resamples=2, halves=2, progress=lambda *now: seen.append(now))
    assert seen == [(i, 6) for i in range(1, 7)]


def test_who_has_no_score_for_the_best_loses_it(data):
    scores, truth, costs = data
    best = int(truth.argmax())
    scores["blind"] = truth.to_numpy()
    scores.loc[best, "blind"] = np.nan
    found = hardware(scores, truth, costs, ["blind"], budgets=(1.0,), resamples=5, halves=5)
    row = found.budgets.set_index(["cost", "proxy", "picks"]).loc[("pi_latency", "blind", 1)]
    second = np.sort(truth.to_numpy())[-2]
    assert row["best"] == truth.max()
    assert row["lost"] == pytest.approx(truth.max() - second)
