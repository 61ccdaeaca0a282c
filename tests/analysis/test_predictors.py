import numpy as np
import pytest
from scipy import optimize

from zcproxy.analysis.predictors import MODELS, PENALTIES, gaussian_process, ridge

RNG = np.random.default_rng(0)
KNOWN, ASKED = RNG.normal(size=(30, 3)), RNG.normal(size=(9, 3))
TARGETS = np.sin(2 * KNOWN[:, 0]) + 0.5 * KNOWN[:, 1] + 0.2 * RNG.normal(size=30)


def linear(x, y, penalty):
    """Slopes and intercept of ridge regression, from the normal equations with a column of ones."""
    wide = np.column_stack([x, np.ones(len(x))])
    penalties = np.diag([penalty] * x.shape[1] + [0.0])
    return np.linalg.solve(wide.T @ wide + penalties, wide.T @ y)


def guessed(x, solution):
    return x @ solution[:-1] + solution[-1]


def test_ridge_takes_the_penalty_that_leaving_one_out_finds_best():
    chosen = set()
    for noise in (0.0, 3.0):
        y = TARGETS + noise * np.random.default_rng(1).normal(size=len(TARGETS))
        errors = []
        for penalty in PENALTIES:
            squares = 0.0
            for i in range(len(y)):
                others = [j for j in range(len(y)) if j != i]
                solution = linear(KNOWN[others], y[others], penalty)
                squares += (guessed(KNOWN[i : i + 1], solution)[0] - y[i]) ** 2
            errors.append(squares)
        best = PENALTIES[int(np.argmin(errors))]
        chosen.add(best)
        expected = guessed(ASKED, linear(KNOWN, y, best))
        assert ridge(KNOWN, y, ASKED) == pytest.approx(expected, rel=1e-6)
    assert len(chosen) == 2


def test_penalties_are_half_decades():
    assert (PENALTIES[0], PENALTIES[-1], len(PENALTIES)) == pytest.approx((1e-4, 1e3, 15))


def covariance(a, b, scale, length):
    result = np.empty((len(a), len(b)))
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            r = np.sqrt(5) * np.sqrt(((one - other) ** 2).sum()) / length
            result[i, j] = scale * (1 + r + r * r / 3) * np.exp(-r)
    return result


def test_the_gaussian_process_is_that_of_the_likeliest_parameters():
    y = (TARGETS - TARGETS.mean()) / TARGETS.std()

    def unlikeliness(logs):
        scale, length, noise = np.exp(logs)
        k = covariance(KNOWN, KNOWN, scale, length) + noise * np.eye(len(y))
        return 0.5 * y @ np.linalg.solve(k, y) + 0.5 * np.linalg.slogdet(k)[1]

    bounds = np.log([(1e-2, 1e2), (1e-1, 1e2), (1e-3, 1e1)])
    found = optimize.minimize(
        unlikeliness, np.log([1, 1, 0.1]), method="Nelder-Mead", bounds=bounds,
        options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 4000},
    )  # fmt: skip
    scale, length, noise = np.exp(found.x)
    k = covariance(KNOWN, KNOWN, scale, length) + noise * np.eye(len(y))
    expected = covariance(ASKED, KNOWN, scale, length) @ np.linalg.solve(k, y)
    expected = expected * TARGETS.std() + TARGETS.mean()
    assert gaussian_process(KNOWN, TARGETS, ASKED) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_silent_and_says_the_same_every_time(model):
    """Parameters at their bounds warn in scikit-learn: noise alone, and no noise at all."""
    for y in (RNG.normal(size=30), KNOWN[:, 0], np.arange(30.0)):
        first = MODELS[model](KNOWN, y, ASKED)
        assert first.shape == (9,)
        assert first.dtype == np.float64
        assert (MODELS[model](KNOWN, y, ASKED) == first).all()
