import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from zcproxy.analysis import partial_spearman, spearman
from zcproxy.errors import InputError, MeasureError


def by_regression(x, y, z):
    """Regress the ranks of x and of y on those of z; correlate what is left."""
    x, y, z = (stats.rankdata(side) for side in (x, y, z))
    design = np.column_stack([np.ones(len(z)), z])
    residuals = [side - design @ np.linalg.lstsq(design, side, rcond=None)[0] for side in (x, y)]
    return float(np.corrcoef(residuals)[0, 1])


@given(st.integers(0, 10_000), st.integers(5, 60), st.sampled_from([3, 10, 1000]))
def test_it_is_the_correlation_of_rank_residuals(seed, n, values):
    x, y, z = np.random.default_rng(seed).integers(values, size=(3, n))
    assume(all(len(set(side)) > 1 for side in (x, y, z)))
    assume(abs(spearman(x, z)) < 0.999 and abs(spearman(y, z)) < 0.999)
    assert partial_spearman(x, y, z) == pytest.approx(by_regression(x, y, z), abs=1e-9)


def test_it_is_the_textbook_formula():
    x, y, z = np.random.default_rng(5).normal(size=(3, 40))
    xy, xz, yz = spearman(x, y), spearman(x, z), spearman(y, z)
    expected = (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))
    assert partial_spearman(x, y, z) == pytest.approx(expected, abs=1e-14)


def test_a_proxy_that_only_echoes_the_baseline_loses_its_correlation():
    rng = np.random.default_rng(0)
    z = rng.normal(size=2000)
    x, y = z + rng.normal(size=2000), z + rng.normal(size=2000)
    assert spearman(x, y) > 0.4
    assert abs(partial_spearman(x, y, z)) < 0.06


@pytest.mark.parametrize("sign", [1, -1])
def test_the_baseline_given_itself_has_none(sign):
    z = np.array([1.0, 2, 2, 3, 8, 9])
    y = [3, 1, 2, 2, 5, 4]
    with pytest.raises(MeasureError, match="scores rank .* as the baseline"):
        partial_spearman(sign * np.exp(z), y, z)
    with pytest.raises(MeasureError, match="accuracies rank .* as the baseline"):
        partial_spearman(y, sign * z, z)


def test_almost_the_baseline_is_not_the_baseline():
    """One exchanged pair among 3,000: 1 - r^2 is 9e-10, and still exact."""
    z = np.arange(3000)
    x = z.copy()
    x[[10, 11]] = x[[11, 10]]
    y = np.random.default_rng(0).permutation(3000)
    assert -1 < partial_spearman(x, y, z) < 1


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="nan"):
        partial_spearman([1, 2, 3], [1, 3, 2], [1, math.nan, 2])
    with pytest.raises(MeasureError, match="equal"):
        partial_spearman([1, 2, 3], [1, 3, 2], [1, 1, 1])
