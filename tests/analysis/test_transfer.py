import numpy as np
import pandas as pd
import pytest
from scipy import stats

from zcproxy.analysis.transfer import transfer
from zcproxy.errors import InputError

N = 90
C10, C100, EARLY = "cifar10_test_200", "cifar100_test_200", "cifar10_test_12"
OWN = {"cifar10": C10, "cifar100": C100}


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    names = pd.Index([f"a{i}" for i in range(N)], name="architecture")
    quality = rng.normal(size=N)
    truth = pd.DataFrame(
        {c: quality + s * rng.normal(size=N) for c, s in ((C10, 0.1), (C100, 0.3), (EARLY, 1))},
        index=names,
    )
    scores = {
        label: pd.DataFrame(
            {"snip": quality + rng.normal(size=N), "nwot": rng.normal(size=N), "flat": 1.0},
            index=names,
        )
        for label in OWN
    }
    scores["cifar100"].iloc[:4, 1] = np.nan
    return scores, truth


@pytest.fixture
def found(data):
    return transfer(*data, OWN, ["snip", "nwot", "flat"], resamples=80)


def test_the_matrix_is_scipys(data, found):
    scores, truth = data
    table = found.table.set_index(["proxy", "scored_on", "accuracy"])
    assert len(table) == 3 * 2 * 3
    for proxy in ("snip", "nwot"):
        for label in OWN:
            x = scores[label][proxy]
            known = x.notna()
            rho = {c: stats.spearmanr(x[known], truth.loc[known, c]).statistic for c in truth}
            for column in truth:
                row = table.loc[(proxy, label, column)]
                assert row["spearman"] == pytest.approx(rho[column])
                assert row["spearman_low"] < row["spearman"] < row["spearman_high"]
                assert (row["n"], row["failures"]) == (known.sum(), N - known.sum())
                between = stats.spearmanr(truth.loc[known, OWN[label]], truth.loc[known, column])
                assert row["ceiling"] == pytest.approx(between.statistic)
                if column == OWN[label]:
                    assert pd.isna(row["lost"])
                else:
                    assert row["lost"] == pytest.approx(rho[OWN[label]] - rho[column])
                    assert row["lost_low"] < row["lost"] < row["lost_high"]


def test_a_proxy_agrees_with_itself_between_data_sets(data, found):
    scores, truth = data
    rows = found.between.set_index(["proxy", "scored_on", "other"])
    assert len(rows) == 3
    for name in ("snip", "nwot"):
        row = rows.loc[(name, "cifar10", "cifar100")]
        one, other = (scores[label][name] for label in OWN)
        known = one.notna() & other.notna()
        assert row["spearman"] == pytest.approx(stats.spearmanr(one[known], other[known]).statistic)
        assert row["spearman_low"] < row["spearman"] < row["spearman_high"]
        assert (row["n"], row["failures"]) == (known.sum(), N - known.sum())
    assert pd.isna(rows.loc[("flat", "cifar10", "cifar100"), "spearman"])
    assert "equal" in rows.loc[("flat", "cifar10", "cifar100"), "reason"]
    one = transfer({"cifar10": scores["cifar10"]}, truth, {"cifar10": C10}, ["snip"], resamples=5)
    assert one.between.empty
    plain = transfer(scores, truth, OWN, ["snip"], resamples=0).between.iloc[0]
    assert pd.isna(plain["spearman_low"]) and plain["spearman"] > 0


def test_paired_differences_are_narrower_than_their_parts(found):
    row = found.table.set_index(["proxy", "scored_on", "accuracy"]).loc[("snip", "cifar10", C100)]
    assert row["lost_high"] - row["lost_low"] < row["spearman_high"] - row["spearman_low"]


def test_the_accuracies_have_an_agreement_of_their_own(data, found):
    _, truth = data
    rows = found.ceilings.set_index(["accuracy", "other"])
    assert len(rows) == 3
    for (one, other), row in rows.iterrows():
        assert row["spearman"] == pytest.approx(stats.spearmanr(truth[one], truth[other]).statistic)
        assert row["n"] == N
    assert rows.loc[(C10, C100), "spearman"] > rows.loc[(C10, EARLY), "spearman"]


def test_a_constant_score_has_a_reason(found):
    rows = found.table[found.table["proxy"] == "flat"]
    assert rows["spearman"].isna().all()
    assert rows["reason"].str.contains("all equal").all()


def test_architectures_without_all_accuracies_are_left_out(data):
    scores, truth = data
    truth.iloc[:10, 2] = np.nan
    found = transfer(scores, truth, OWN, ["snip"], resamples=5)
    assert (found.table["n"] == N - 10).all()
    assert (found.ceilings["n"] == N - 10).all()


def test_wrong_use(data):
    scores, truth = data
    with pytest.raises(InputError, match="accuracy nosuch of cifar10"):
        transfer(scores, truth, {"cifar10": "nosuch"}, ["snip"])
    far = {"cifar10": scores["cifar10"].rename(index=lambda a: f"x{a}")}
    with pytest.raises(InputError, match="no architecture scored on cifar10"):
        transfer(far, truth, OWN, ["snip"], resamples=2)


def test_one_common_architecture_has_no_order(data):
    scores, truth = data
    one = {"cifar10": scores["cifar10"].iloc[:1]}
    found = transfer(one, truth, {"cifar10": C10}, ["snip"], resamples=3)
    assert found.table["reason"].str.contains("all equal").all()
    assert found.ceilings["reason"].str.contains(r"all equal \(n = 1\)").all()
    assert found.ceilings["spearman"].isna().all()


def test_the_ceiling_is_that_of_the_scored_architectures(data):
    scores, truth = data
    few = {"cifar10": scores["cifar10"].iloc[:30], "cifar100": scores["cifar100"].iloc[20:50]}
    found = transfer(few, truth, OWN, ["snip"], resamples=5)
    assert (found.ceilings["n"] == 50).all()
    row = found.ceilings.set_index(["accuracy", "other"]).loc[(C10, EARLY)]
    expected = stats.spearmanr(truth[C10].iloc[:50], truth[EARLY].iloc[:50]).statistic
    assert row["spearman"] == pytest.approx(expected)


def test_losses_are_paired_in_every_resample(data):
    scores, truth = data
    found = transfer({"cifar10": scores["cifar10"]}, truth, {"cifar10": C10}, ["snip"], 40, seed=3)
    row = found.table.set_index("accuracy").loc[EARLY]
    x, rng, drawn = scores["cifar10"]["snip"].to_numpy(), np.random.default_rng(3), []
    for _ in range(40):
        at = np.repeat(np.arange(N), np.bincount(rng.integers(N, size=N), minlength=N))
        own, early = (stats.spearmanr(x[at], truth[c].to_numpy()[at]) for c in (C10, EARLY))
        drawn.append(own.statistic - early.statistic)
    expected = np.quantile(drawn, [0.025, 0.975])
    assert [row["lost_low"], row["lost_high"]] == pytest.approx(expected.tolist())
