"""Workers die, and the work gets done all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from zcproxy.configuration import Configuration
from zcproxy.errors import ZcproxyError
from zcproxy.runs.items import Item, Setup
from zcproxy.runs.pool import Pool
from zcproxy.store import Row

SETUP = Setup(
    Configuration("digits201", "digits", "00", (1, 8, 8), 10),
    np.ones((64, 3, 32, 32), dtype=np.float32),  # larger than the buffer of a socket
    np.zeros(64, dtype=np.int64),
)


@pytest.fixture
def scorers(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module of stand-ins, importable here and in workers."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import scorers

    yield scorers
    del sys.modules["scorers"]


def items(*networks: str) -> list[Item]:
    return [Item(network, "", ("snip", "plain"), 1.0) for network in networks]


def rows(pool: Pool, *networks: str) -> dict[str, list[Row]]:
    """What came for every network; a second answer would be an error."""
    found: dict[str, list[Row]] = {}
    for item, answer in pool.results(items(*networks)):
        assert item.network not in found
        found[item.network] = answer
    return found


STARTING = 100
"""Seconds in which workers must have started, however busy the machine; mostly they need two."""

ENDING = 20
"""Seconds in which processes that must end must have ended; mostly they need none."""


def eventually(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for something that must happen, and fail if it has not after some seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"it did not happen within {seconds} seconds")
        time.sleep(0.05)


def end(numbers: Iterable[int]) -> None:
    """Kill what a failed test has left behind."""
    for number in numbers:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def written(names: list[str]) -> list[int]:
    """The process numbers in those of the files that are there."""
    return [int(Path(name).read_text()) for name in names if Path(name).exists()]


def alive(number: int) -> bool:
    """Whether a process runs (one that ended but was not waited for does not)."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_every_worker_has_one_thread_and_the_batch(
    scorers: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    found = rows(Pool(SETUP, 2, scorers.environment), *"abcdef")
    assert found.keys() == set("abcdef")
    values = [{row.proxy: row.value for row in answer} for answer in found.values()]
    assert {value["threads"] for value in values} == {1.0}
    assert {value["sum"] for value in values} == {64 * 3 * 32 * 32}
    pids = {value["pid"] for value in values}
    assert 1 <= len(pids) <= 2
    assert os.getpid() not in pids
    assert not any(alive(int(pid)) for pid in pids if pid is not None)
    assert capfd.readouterr().out == ""


def test_one_worker_scores_in_the_order_given(scorers: ModuleType) -> None:
    assert list(rows(Pool(SETUP, 1, scorers.die), *"cab")) == ["c", "a", "b"]


def test_an_item_that_kills_one_worker_is_scored_by_the_next(
    scorers: ModuleType, tmp_path: Path
) -> None:
    once = f"once:{tmp_path / 'killed'}"
    found = rows(Pool(SETUP, 1, scorers.die), "a", once, "b")
    assert (tmp_path / "killed").exists()
    assert found[once] == [Row(once, proxy, float(len(once))) for proxy in ("snip", "plain")]
    assert found.keys() == {"a", once, "b"}


@pytest.mark.parametrize(
    ("network", "cause"), [("killer", "signal SIGKILL"), ("quitter", "exit status 7")]
)
def test_an_item_that_always_kills_becomes_crashed_and_the_others_are_scored(
    scorers: ModuleType, network: str, cause: str
) -> None:
    found = rows(Pool(SETUP, 2, scorers.die), "a", network, "b", "c")
    assert found.keys() == {"a", network, "b", "c"}
    assert [(row.proxy, row.value, row.failure) for row in found[network]] == [
        ("snip", None, "crashed"),
        ("plain", None, "crashed"),
    ]
    assert cause in str(found[network][0].message)
    assert found["a"][0].value == 1.0


def test_workers_that_cannot_start_end_the_run(
    scorers: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ZcproxyError, match=r"do not start \(exit status 1\)"):
        rows(Pool(SETUP, 2, scorers.Unloadable()), "a")
    assert "unloadable on purpose" in capfd.readouterr().err


def test_no_items_start_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    assert rows(Pool(SETUP, 2)) == {}


def test_giving_up_ends_the_workers_at_once(scorers: ModuleType, tmp_path: Path) -> None:
    pool = Pool(SETUP, 2, scorers.wait)
    names = [str(tmp_path / "first"), str(tmp_path / "second")]
    with closing(pool.results(items(*names))) as results:
        pool._queue.extend(items(*names))
        for _ in range(2):
            pool._staff()

        def ready() -> bool:
            for worker in list(pool._workers):
                if not worker.ready and worker.connection.poll():
                    list(pool._hear(worker.connection))
            return [worker.ready for worker in pool._workers] == [True, True]

        eventually(ready, STARTING)
        pool._staff()
        eventually(lambda: len(written(names)) == 2, STARTING)
        pids = written(names)
        assert all(alive(pid) for pid in pids)
        pool.close()
        assert not any(alive(pid) for pid in pids)
        del results


ORPHANS = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import scorers
from zcproxy.configuration import Configuration
from zcproxy.runs.items import Item, Setup
from zcproxy.runs.pool import Pool
configuration = Configuration("digits201", "digits", "00", (1, 8, 8), 10)
setup = Setup(configuration, np.ones((1, 1, 8, 8), np.float32), np.zeros(1, np.int64))
items = [Item(name, "", ("snip",), 1.0) for name in sys.argv[2:]]
list(Pool(setup, 2, scorers.wait).results(items))  # without a __main__ guard
"""


def test_workers_do_not_outlive_a_killed_coordinator(tmp_path: Path) -> None:
    names = [str(tmp_path / "first"), str(tmp_path / "second")]
    command = [sys.executable, "-c", ORPHANS, str(Path(__file__).parent), *names]
    with subprocess.Popen(command) as coordinator:
        try:
            eventually(lambda: len(written(names)) == 2, STARTING)
            assert all(alive(pid) for pid in written(names))
            coordinator.kill()
            coordinator.wait()
            eventually(lambda: not any(alive(pid) for pid in written(names)), ENDING)
        finally:
            coordinator.kill()
            end(pid for pid in written(names) if alive(pid))
