"""The table of accuracies that comes with the package."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from zcproxy import spaces, tables
from zcproxy.analysis.noise import noise_ceiling
from zcproxy.embedded import RECIPE, sample

PATH = Path(tables.__file__).with_name("digits201.parquet")
MEAN = f"digits_test_{RECIPE.epochs}"

space = spaces.get("digits201")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return tables.read(PATH)


@pytest.fixture(scope="module")
def seeds(frame: pd.DataFrame) -> list[str]:
    return [name for name, facts in frame.attrs["columns"].items() if facts["seed"] is not None]


def test_it_is_found_by_name(frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZCPROXY_DATA", "/nowhere")
    monkeypatch.setattr("zcproxy.folders.cache", lambda: Path("/nowhere"))
    pd.testing.assert_frame_equal(tables.load("digits201"), frame)


def test_it_is_small() -> None:
    assert PATH.stat().st_size < 1_000_000


def test_rows_are_the_first_networks_of_the_sample(frame: pd.DataFrame) -> None:
    assert len(frame) >= 500
    assert set(frame["architecture"]) == set(sample(len(frame)))
    assert frame["architecture"].map(space.key).is_unique


def test_the_mean_is_that_of_two_or_more_seeds(frame: pd.DataFrame, seeds: list[str]) -> None:
    assert seeds == [f"{MEAN}_seed{number}" for number in range(len(seeds))]
    assert len(seeds) >= 2
    assert frame.notna().all(axis=None)
    pd.testing.assert_series_equal(
        frame[MEAN], frame[seeds].mean(axis=1), check_names=False, rtol=1e-12
    )


def test_accuracies_are_shares_of_all_shifted_test_images(
    frame: pd.DataFrame, seeds: list[str]
) -> None:
    counts = frame[seeds] * 5 * 797 / 100
    assert (counts - counts.round()).abs().to_numpy().max() < 1e-9


def test_accuracies_are_spread_and_seeds_agree(frame: pd.DataFrame, seeds: list[str]) -> None:
    assert frame[MEAN].std() > 4
    assert frame[MEAN].nunique() > 0.7 * len(frame)
    noise = noise_ceiling(frame[seeds])
    assert noise.networks == len(frame)
    assert 0.75 < noise.between_seeds < 0.99
    assert noise.ceiling > 0.9


def test_it_was_made_by_the_recipe_of_this_version(frame: pd.DataFrame) -> None:
    made = frame.attrs["training"]
    assert made["recipe"] == RECIPE.described()
    assert (made["space"], made["dataset"]) == ("digits201", "digits")
    assert frame.attrs["columns"][MEAN] == {
        "dataset": "digits",
        "split": "test",
        "epochs": RECIPE.epochs,
        "seed": None,
        "release": None,
        "source": "trained by zcproxy data build",
    }
