"""Runs resume after a kill, and nothing depends on workers or order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from zcproxy.errors import InputError, StoreError
from zcproxy.experiments.cells import Cell, Setup, Trained
from zcproxy.experiments.running import run
from zcproxy.runs.telling import Progress
from zcproxy.training import Recipe

MODEL = "lenet300@12"
CELLS = [Cell(MODEL, "dense", 1.0, 0), *(Cell(MODEL, "random", 0.2, seed) for seed in range(3))]


def timeless(trained: list[Trained]) -> list[Trained]:
    return [replace(one, seconds=0.0, pruning_seconds=0.0) for one in trained]


@pytest.mark.usefixtures("here")
def test_runs_resume_and_add(setup: Setup, tmp_path: Path) -> None:
    states: list[Progress] = []
    one = run(CELLS[:2], setup, tmp_path / "l.jsonl", progress=states.append)
    assert [(state.done, state.total) for state in states] == [(0, 2), (1, 2), (2, 2)]
    size = (tmp_path / "l.jsonl").stat().st_size
    again = run(CELLS[:2], setup, tmp_path / "l.jsonl")
    assert again.trained == one.trained
    assert (tmp_path / "l.jsonl").stat().st_size == size
    more = run([*CELLS[::-1], CELLS[0]], setup, tmp_path / "l.jsonl")
    assert [found.cell for found in more.trained] == CELLS[::-1]
    assert more.trained[-2:] == one.trained[::-1]
    assert not more.failed


def test_results_do_not_depend_on_workers_or_order(
    setup: Setup, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    many = run(CELLS[::-1], setup, tmp_path / "many.jsonl", workers=2)
    request.getfixturevalue("here")
    one = run(CELLS, setup, tmp_path / "one.jsonl")
    assert timeless(one.trained) == timeless(many.trained[::-1])


@pytest.mark.usefixtures("here")
def test_failures_are_told_and_tried_again(setup: Setup, tmp_path: Path) -> None:
    wrong = Cell(MODEL, "nothing", 0.2, 0)
    for _ in range(2):
        outcome = run([wrong, CELLS[0]], setup, tmp_path / "l.jsonl")
        assert list(outcome.failed) == [wrong]
        assert "no method named 'nothing'" in outcome.failed[wrong]
        assert [found.cell for found in outcome.trained] == CELLS[:1]


@pytest.mark.usefixtures("here")
def test_a_ledger_belongs_to_one_setup(setup: Setup, tmp_path: Path) -> None:
    run(CELLS[:1], setup, tmp_path / "l.jsonl")
    other = replace(setup, recipe=Recipe(epochs=1, batch=50, learning_rate=0.1, shift=0))
    with pytest.raises(StoreError, match=r"batch: 100 there, 50 now.*--out"):
        run(CELLS[:1], other, tmp_path / "l.jsonl")
    elsewhere = replace(setup, checkpoints=str(tmp_path))  # no matter where checkpoints lie
    assert run(CELLS[:1], elsewhere, tmp_path / "l.jsonl").trained
    with pytest.raises(InputError, match="needs workers and cells"):
        run([], setup, tmp_path / "l.jsonl")


SCRIPT = """
import sys
from zcproxy.experiments.cells import Cell, Pruning, Setup
from zcproxy.experiments.running import run
from zcproxy.training import Recipe
setup = Setup("digits", Recipe(epochs=20, batch=10, shift=0, learning_rate=0.1), Pruning())
run([Cell("lenet300@12", "random", 0.2, seed) for seed in range(4)], setup, sys.argv[1])
"""


def test_a_killed_run_keeps_what_is_trained(tmp_path: Path) -> None:
    ledger = tmp_path / "l.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{SCRIPT}", str(ledger)]
    )
    try:
        while not ledger.exists() or ledger.read_bytes().count(b"\n") < 2:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.05)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    kept = [json.loads(line) for line in ledger.read_text().splitlines()[1:]]
    assert 1 <= len(kept) < 4
    description = json.loads(ledger.read_text().splitlines()[0])
    setup = Setup("digits", Recipe(epochs=20, batch=10, shift=0, learning_rate=0.1))
    assert description["recipe"] == setup.recipe.described()
    cells = [Cell(MODEL, "random", 0.2, one["seed"]) for one in kept]
    resumed = run(cells, setup, ledger)
    assert [vars(one) for one in resumed.trained] == kept
