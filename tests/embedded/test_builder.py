"""Building the embedded benchmark: workers, kills and resumed builds change no accuracy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from zcproxy.embedded import Ledger, Progress, Training, build, description, retrain, sample
from zcproxy.errors import InputError, ZcproxyError
from zcproxy.runs.items import Item
from zcproxy.store import Row
from zcproxy.training import Recipe

QUICK = Recipe(epochs=1, batch=250)


def bits(trainings: list[Training]) -> dict[tuple[str, int], float]:
    return {(one.architecture, one.seed): one.accuracy for one in trainings}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[Training]:
    path = tmp_path_factory.mktemp("build") / "undisturbed.jsonl"
    return build(path, 6, 2, workers=1, recipe=QUICK)


def test_all_are_trained_in_the_order_of_the_sample(undisturbed: list[Training]) -> None:
    expected = [(architecture, seed) for architecture in sample(6) for seed in (0, 1)]
    assert [(one.architecture, one.seed) for one in undisturbed] == expected
    assert len({one.accuracy for one in undisturbed}) > 6
    assert all(0 < one.accuracy < 100 for one in undisturbed)
    assert all(one.seconds > 0 for one in undisturbed)


def test_more_networks_and_seeds_add_to_what_is_there(
    tmp_path: Path, undisturbed: list[Training]
) -> None:
    path = tmp_path / "ledger.jsonl"
    states: list[Progress] = []
    build(path, 3, 1, recipe=QUICK)
    after = build(path, 6, 2, workers=2, recipe=QUICK, progress=states.append)
    assert (states[0].done, states[0].total) == (3, 12)
    assert (states[-1].done, states[-1].remaining) == (12, 0)
    assert bits(after) == bits(undisturbed)


def test_a_finished_build_trains_nothing(tmp_path: Path, undisturbed: list[Training]) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger(path, description(QUICK)) as ledger:
        for one in undisturbed:
            ledger.add(one)
    before = path.read_bytes()
    assert build(path, 4, 2, recipe=QUICK) == undisturbed[:8]
    assert path.read_bytes() == before


BUILD = """
import sys
from zcproxy.embedded import build
from zcproxy.training import Recipe
show = lambda state: print(state.done, flush=True)
build(sys.argv[1], 6, 2, workers=2, recipe=Recipe(epochs=1, batch=250), progress=show)
"""


def test_a_killed_build_goes_on(tmp_path: Path, undisturbed: list[Training]) -> None:
    path = tmp_path / "ledger.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", BUILD, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    with process, process.stdout:
        while int(process.stdout.readline()) < 4:
            pass
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    with Ledger(path, description(QUICK)) as ledger:
        kept = list(ledger.trainings)
    assert 4 <= len(kept) < 12
    with path.open("ab") as file:
        file.write(b'{"architecture": "|nor_co')  # a line that the kill tore
    after = build(path, 6, 2, recipe=QUICK)
    assert bits(after) == bits(undisturbed)
    assert set(kept) <= set(after)
    with Ledger(path, description(QUICK)) as ledger:
        assert len(ledger.trainings) == 12


def test_retraining_gives_the_same_bits(undisturbed: list[Training]) -> None:
    again = [undisturbed[7], undisturbed[2]]
    pairs = [(one.architecture, one.seed) for one in again]
    assert bits(retrain(pairs, recipe=QUICK)) == bits(again)


def test_a_failed_training_stops_the_build_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Row("n", "0", None, "crashed", "3 workers died of it")
    items = [Item("n", "n", ("0",), 1.0)]
    monkeypatch.setattr("zcproxy.embedded.builder._trained", lambda *_: iter([(items[0], [row])]))
    with pytest.raises(ZcproxyError, match="training of n failed: crashed: 3 workers died of it"):
        build(tmp_path / "ledger.jsonl", 2, 1, recipe=QUICK)


@pytest.mark.parametrize(("networks", "seeds", "workers"), [(0, 1, 1), (2, 0, 1), (2, 1, 0)])
def test_numbers_out_of_range(tmp_path: Path, networks: int, seeds: int, workers: int) -> None:
    path = tmp_path / "ledger.jsonl"
    with pytest.raises(InputError):
        build(path, networks, seeds, workers=workers, recipe=QUICK)
    assert not path.exists()
