"""The noise ceiling against its formulas, and against noise whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from zcproxy.analysis import spearman
from zcproxy.analysis.noise import noise_ceiling
from zcproxy.errors import InputError, MeasureError


def test_three_seeds_by_hand() -> None:
    frame = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [1.0, 2, 4, 3], "c": [2.0, 1, 3, 4]})
    found = noise_ceiling(frame)
    r = (0.8 + 0.8 + 0.6) / 3
    assert (found.networks, found.seeds) == (4, 3)
    assert found.between_seeds == pytest.approx(r, abs=1e-12)
    assert found.reliability == pytest.approx(3 * r / (1 + 2 * r), abs=1e-12)
    assert found.ceiling == pytest.approx(math.sqrt(3 * r / (1 + 2 * r)), abs=1e-12)


def test_missing_rows_are_left_out() -> None:
    frame = pd.DataFrame({"a": [1.0, 2, 3, np.nan], "b": [1.0, 3, 2, 0]})
    found = noise_ceiling(frame)
    assert found.networks == 3
    assert found.between_seeds == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("seeds", [2, 4])
def test_the_ceiling_is_what_the_truth_itself_reaches(seeds: int) -> None:
    generator = np.random.default_rng(1)
    truth = generator.normal(size=6000)
    noisy = truth[:, None] + 0.6 * generator.normal(size=(6000, seeds))
    found = noise_ceiling(pd.DataFrame(noisy))
    reached = spearman(truth, noisy.mean(1))
    assert reached == pytest.approx(spearmanr(truth, noisy.mean(1)).statistic, abs=1e-9)
    assert found.ceiling == pytest.approx(reached, abs=0.01)
    assert abs(found.reliability - reached) > 0.02
    assert abs(math.sqrt(found.between_seeds) - reached) > 0.02


def test_one_seed_shows_no_noise() -> None:
    with pytest.raises(InputError, match="at least two trainings per network, not in 1"):
        noise_ceiling(pd.DataFrame({"a": [1.0, 2.0]}))


def test_seeds_that_disagree_have_no_ceiling() -> None:
    with pytest.raises(MeasureError, match="do not agree") as caught:
        noise_ceiling(pd.DataFrame({"a": [1.0, 2, 3], "b": [3.0, 2, 1]}))
    assert caught.value.kind == "degenerate"
