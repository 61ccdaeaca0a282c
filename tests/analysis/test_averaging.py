import numpy as np
import pytest
from scipy import stats

from zcproxy.analysis.averaging import PREDICTION, averaged_prediction
from zcproxy.errors import MeasureError


def noisy(runs, n, noise):
    rng = np.random.default_rng(1)
    truth = rng.normal(size=n)
    return truth + noise * rng.normal(size=(runs, n)), truth


def found(values, truth, resamples=0):
    numbers = averaged_prediction(values, truth, resamples)
    return dict(zip(PREDICTION, numbers, strict=True))


def test_the_mean_of_ranks_is_what_is_correlated():
    """Not the mean of scores: one run of huge scores does not decide."""
    values, truth = noisy(3, 60, 1.0)
    values[0] = np.exp(20 * values[0])
    got = found(values, truth)
    ranks = np.mean([stats.rankdata(run) for run in values], axis=0)
    assert got["averaged"] == pytest.approx(stats.spearmanr(ranks, truth).statistic)
    assert got["averaged"] != pytest.approx(
        stats.spearmanr(values.mean(axis=0), truth).statistic, abs=1e-3
    )


def test_ranks_are_taken_among_all_and_judged_where_there_is_an_accuracy():
    values, truth = noisy(2, 50, 2.0)
    truth[::2] = np.nan
    got = found(values, truth)
    ranks = np.mean([stats.rankdata(run) for run in values], axis=0)
    assert got["averaged"] == pytest.approx(stats.spearmanr(ranks[1::2], truth[1::2]).statistic)


def test_gains_are_paired():
    """Averages help noisy runs, with an interval narrower than those of its two sides."""
    got = found(*noisy(5, 300, 2.0), 200)
    assert got["gain"] == pytest.approx(got["averaged"] - got["single"])
    assert got["gain_low"] > 0.05
    assert got["gain_high"] - got["gain_low"] < got["averaged_high"] - got["averaged_low"]
    assert got["single_least"] < got["single"] < got["single_most"] < got["averaged"]


def test_equal_runs_gain_nothing():
    values, truth = noisy(1, 40, 1.0)
    got = found(np.repeat(values, 3, axis=0), truth, 20)
    assert got["gain"] == pytest.approx(0)
    assert got["single_least"] == got["single_most"] == pytest.approx(got["averaged"])


@pytest.mark.parametrize("truth", [np.ones(9), np.full(9, np.nan)])
def test_accuracies_without_order(truth):
    with pytest.raises(MeasureError, match="accuracies"):
        averaged_prediction(np.random.default_rng(0).random((2, 9)), truth)


def test_runs_without_an_architecture_have_no_order():
    with pytest.raises(MeasureError, match="0 architecture"):
        averaged_prediction(np.empty((2, 0)), np.empty(0))
