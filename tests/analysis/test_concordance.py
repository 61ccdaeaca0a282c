from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from zcproxy.analysis.concordance import Concordance
from zcproxy.analysis.ranks import dense_codes

observations = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=25
)


@given(observations)
def test_multiplicities_mean_repeated_observations(rows):
    x, y, times = (np.array(column) for column in zip(*rows, strict=True))
    codes = dense_codes(x.astype(float)), dense_codes(y.astype(float))
    found = Concordance(*codes)
    repeated = [np.repeat(code, times) for code in codes]
    discordant = sum(
        (repeated[0][i] - repeated[0][j]) * (repeated[1][i] - repeated[1][j]) < 0
        for i, j in combinations(range(times.sum()), 2)
    )
    assert found.discordant(times.astype(float)) == discordant
    tau = found.tau_b(times.astype(float))
    if any(len(set(side)) < 2 for side in map(tuple, repeated)):
        assert tau is None
    else:
        assert tau == pytest.approx(stats.kendalltau(*repeated).statistic, abs=1e-12)
