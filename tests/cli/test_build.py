"""`zcproxy data build`: it makes a table, goes on, and checks."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner, Result

from zcproxy import tables
from zcproxy.cli.build import build_data
from zcproxy.embedded import Training, sample
from zcproxy.errors import DataError, InputError, InterruptedRun
from zcproxy.training import Recipe

QUICK = Recipe(epochs=1, batch=250)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder, and a recipe that takes a moment."""
    monkeypatch.setattr("zcproxy.embedded.RECIPE", QUICK)
    monkeypatch.setenv("ZCPROXY_DATA", str(tmp_path))
    return tmp_path


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(build_data)
    return CliRunner().invoke(app, list(arguments))


def build(data: Path, networks: int) -> Result:
    places = ["--store", str(data / "l.jsonl"), "--out", str(data / "tables/digits201.parquet")]
    return run("--networks", str(networks), "--seeds", "2", "--workers", "1", *places)


def test_a_table_is_built_extended_and_checked(data: Path) -> None:
    result = build(data, 2)
    assert result.exit_code == 0, result.output
    assert "0/4 trainings" in result.stderr
    result = build(data, 3)
    assert result.exit_code == 0, result.output
    assert "4/6 trainings" in result.stderr
    assert "networks    3, 2 seeds each" in result.stdout
    assert "noise" in result.stdout
    frame = tables.load("digits201")
    lines = [json.loads(line) for line in (data / "l.jsonl").read_text().splitlines()][1:]
    shown = {(line["architecture"], line["seed"]): line["accuracy"] for line in lines}
    assert set(frame["architecture"]) == set(sample(3))
    for _, row in frame.iterrows():
        both = [shown[row["architecture"], seed] for seed in (0, 1)]
        assert [row["digits_test_1_seed0"], row["digits_test_1_seed1"]] == both
        assert row["digits_test_1"] == pytest.approx(sum(both) / 2, abs=1e-12)
    assert frame.attrs["training"]["recipe"] == QUICK.described()
    assert frame.attrs["columns"]["digits_test_1_seed1"]["seed"] == 1


def stored(frame: pd.DataFrame, data: Path) -> None:
    tables.write(frame, data / "tables" / "digits201.parquet")


def test_check_tells_the_same_from_the_different(data: Path) -> None:
    build(data, 2)
    good = run("--check", "--workers", "1")
    assert good.exit_code == 0, good.output
    assert "4 of 4 trainings gave the same bits" in good.stdout
    frame = tables.load("digits201")
    frame.loc[0, "digits_test_1_seed0"] += 0.5
    stored(frame, data)
    bad = run("--check", "--workers", "1")
    assert bad.exit_code == 1
    assert "differs by 0.500 points" in bad.stdout
    assert "3 of 4 trainings gave the same bits" in bad.stdout


def test_check_refuses_a_table_of_another_recipe(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zcproxy.cli.build import table_of

    trainings = [Training(a, s, 50.0 + s, 0.1) for a in sample(2) for s in (0, 1)]
    stored(table_of(trainings, Recipe(epochs=2)), data)
    result = run("--check")
    assert isinstance(result.exception, DataError)
    assert "another recipe" in str(result.exception)


def test_seeds_that_disagree_are_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = sample(2)
    values = {(one, 0): 50.0, (one, 1): 60.0, (other, 0): 60.0, (other, 1): 50.0}
    trainings = [Training(a, s, value, 0.1) for (a, s), value in values.items()]
    monkeypatch.setattr("zcproxy.embedded.build", lambda *_, **__: trainings)
    result = build(data, 2)
    assert result.exit_code == 0, result.output
    assert "no noise ceiling: 2 networks are too few to tell" in result.stdout
    monkeypatch.setattr("zcproxy.cli.build.FEWEST", 2)
    assert "no noise ceiling: the seeds do not agree" in build(data, 2).stdout


def test_interrupted(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zcproxy.embedded.build", interrupted)
    result = build(data, 2)
    assert isinstance(result.exception, InterruptedRun)
    assert "the same command goes on from there" in str(result.exception)
    assert not (data / "tables").exists()


def test_only_digits201_can_be_built() -> None:
    result = run("digits202")
    assert isinstance(result.exception, InputError)
    assert "did you mean 'digits201'?" in str(result.exception)
