import numpy as np
import pytest
from scipy import stats

from zcproxy.analysis import bootstrap
from zcproxy.errors import InputError, MeasureError


def sample(n=60, seed=1):
    """Correlated scores and accuracies with ties on both sides."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return np.round(x, 1), np.round(x + rng.normal(size=n), 1)


def test_the_interval_is_that_of_the_plain_bootstrap():
    """The slow way: copy the drawn architectures, rank the copies, take quantiles."""
    x, y = sample()
    rng = np.random.default_rng(7)
    drawn = []
    for _ in range(40):
        chosen = rng.integers(len(x), size=len(x))
        drawn.append(
            [
                stats.spearmanr(x[chosen], y[chosen]).statistic,
                stats.kendalltau(x[chosen], y[chosen]).statistic,
            ]
        )
    expected = np.quantile(drawn, [0.025, 0.975], axis=0)
    rho, tau = bootstrap(x, y, resamples=40, seed=7)
    np.testing.assert_allclose([rho, tau], expected.T, atol=1e-12)


def test_the_level_sets_the_quantiles():
    x, y = sample()
    narrow, wide = (bootstrap(x, y, 200, level=level)[0] for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_the_seed_decides():
    x, y = sample()
    assert bootstrap(x, y, 50, seed=3) == bootstrap(x, y, 50, seed=3)
    assert bootstrap(x, y, 50, seed=3) != bootstrap(x, y, 50, seed=4)


def test_the_global_random_state_is_not_used():
    before = np.random.get_state()[1].copy()
    bootstrap(*sample(), 10)
    assert (np.random.get_state()[1] == before).all()


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """Bivariate normal with r = .6 has rho = 6/pi asin(.3); 95 % of 200 intervals, +- 4 sd."""
    rng, truth = np.random.default_rng(0), 6 / np.pi * np.arcsin(0.3)
    covered = 0
    for trial in range(200):
        x = rng.normal(size=150)
        y = 0.6 * x + 0.8 * rng.normal(size=150)
        low, high = bootstrap(x, y, 100, seed=trial)[0]
        covered += low <= truth <= high
    assert 175 <= covered <= 199


def test_resamples_without_a_correlation_are_drawn_again():
    rho, tau = bootstrap([0, 0, 0, 1], [0, 1, 0, 2], 200)
    assert np.isfinite([*rho, *tau]).all()


def test_wrong_use_is_refused():
    with pytest.raises(InputError, match="resamples >= 1"):
        bootstrap(*sample(), 0)
    with pytest.raises(InputError, match="level"):
        bootstrap(*sample(), 10, level=1.0)
    with pytest.raises(MeasureError, match="equal"):
        bootstrap([1, 1, 1], [1, 2, 3], 10)
