"""Runs: the same bits however they are interrupted, and every score once."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from zcproxy import spaces
from zcproxy.errors import InputError, StoreError
from zcproxy.runs import Progress, Setup, Summary, prepare, run
from zcproxy.runs.items import plan
from zcproxy.runs.selection import sample
from zcproxy.store import Row, Store

SPACE = spaces.get("digits201")
NONE = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
CHOSEN = [*sample(SPACE, 60, seed=5), NONE]
DISTINCT = list({SPACE.key(a): a for a in CHOSEN if SPACE.key(a) != SPACE.key(NONE)}.values())
NETWORKS = len(DISTINCT) + 1
PROXIES = ["snip", "synflow", "params", "jacob_cov"]
MEASURED = {"snip", "synflow", "jacob_cov"}

RUN = """
import sys
from zcproxy import spaces
from zcproxy.runs import prepare, run
from zcproxy.runs.selection import sample
chosen = [*sample(spaces.get("digits201"), 60, seed=5), sys.argv[2]]
setup = prepare("digits201", "digits", batch_size=32)
run(setup, chosen, ["snip", "synflow", "params", "jacob_cov"], sys.argv[1], workers=2)
"""

Cell = tuple[str, str, str | None, str | None]


@pytest.fixture(scope="module")
def setup() -> Setup:
    return prepare("digits201", "digits", batch_size=32)


@pytest.fixture(scope="module")
def undisturbed(setup: Setup, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run by one worker that nothing interrupted."""
    path = tmp_path_factory.mktemp("undisturbed") / "run.sqlite"
    summary = run(setup, CHOSEN, PROXIES, path)
    assert (summary.networks, summary.scored) == (NETWORKS, NETWORKS)
    return path


def cells(path: Path) -> list[Cell]:
    """The rows of a store but for the times, values as exact text."""
    with Store.read(path) as store:
        rows = store.rows()
    return [
        (r.network, r.proxy, None if r.value is None else r.value.hex(), r.failure) for r in rows
    ]


def count(path: Path) -> int:
    """Rows in a store that may not be there yet."""
    try:
        return len(cells(path))
    except StoreError:
        return 0


def reached(path: Path, wanted: int, coordinator: subprocess.Popen[bytes]) -> None:
    """Wait until a run has written so many rows, at most ten minutes."""
    for _ in range(60_000):
        if count(path) >= wanted:
            return
        assert coordinator.poll() is None
        time.sleep(0.01)
    pytest.fail(f"no {wanted} rows within ten minutes")


def start(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", RUN, str(path), NONE])


def children(process: subprocess.Popen[bytes]) -> list[int]:
    number = process.pid
    return [int(n) for n in Path(f"/proc/{number}/task/{number}/children").read_text().split()]


def test_every_network_and_proxy_has_one_row(undisturbed: Path) -> None:
    expected = {(SPACE.key(a), proxy) for a in CHOSEN for proxy in MEASURED}
    found = [(network, proxy) for network, proxy, _, _ in cells(undisturbed)]
    assert len(found) == len(expected)
    assert set(found) == expected


def test_the_store_knows_what_was_asked_for(setup: Setup, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    twins = [a for a in SPACE.architectures() if SPACE.key(a) == SPACE.key(DISTINCT[0])]
    assert len(twins) > 1
    run(setup, [twins[1], f" {twins[1]}"], ["snip", "params"], path)
    run(setup, [NONE], ["params"], path)
    with Store.read(path) as store:
        assert store.requested() == ([twins[1], NONE], ["snip", "params"])


def test_what_was_asked_for_is_kept_before_the_first_score(setup: Setup, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"

    def stop(state: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(setup, CHOSEN, PROXIES, path, progress=stop)
    with Store.read(path) as store:
        assert store.rows() == []
        assert store.requested() == (list(dict.fromkeys(CHOSEN)), PROXIES)


def test_two_workers_give_the_bits_of_one(setup: Setup, undisturbed: Path, tmp_path: Path) -> None:
    run(setup, CHOSEN[::-1], PROXIES[::-1], tmp_path / "run.sqlite", workers=2)
    assert cells(tmp_path / "run.sqlite") == cells(undisturbed)


def test_killed_coordinators_lose_and_double_nothing(undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    total = len(cells(undisturbed))
    for wanted in (total // 5, total // 2):
        with start(path) as coordinator:
            reached(path, wanted, coordinator)
            os.kill(coordinator.pid, signal.SIGKILL)
        assert coordinator.returncode == -signal.SIGKILL
        assert wanted <= count(path) < total
    with start(path) as coordinator:
        pass
    assert coordinator.returncode == 0
    assert cells(path) == cells(undisturbed)


def test_killed_workers_lose_and_double_nothing(undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    killed: set[int] = set()
    with start(path) as coordinator:
        for wanted in (10, 60):
            reached(path, wanted, coordinator)
            for number in children(coordinator):
                os.kill(number, signal.SIGKILL)
                killed.add(number)
    assert coordinator.returncode == 0
    assert len(killed) == 4
    assert cells(path) == cells(undisturbed)


def test_a_finished_run_scores_nothing_again(
    setup: Setup, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    summary = run(setup, CHOSEN, PROXIES, undisturbed)
    assert (summary.architectures, summary.networks, summary.scored) == (61, NETWORKS, 0)
    failures = Counter(failure for *_, failure in cells(undisturbed) if failure is not None)
    assert summary.failures == failures
    assert failures["disconnected"] > 0


def test_proxies_and_architectures_are_added_later(
    setup: Setup, undisturbed: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run.sqlite"
    run(setup, CHOSEN[:20], ["snip"], path)
    run(setup, CHOSEN[10:], ["jacob_cov"], path)
    before = count(path)
    summary = run(setup, CHOSEN, PROXIES, path)
    assert 0 < before < len(cells(path))
    assert summary.scored == NETWORKS  # each lacked something
    assert cells(path) == cells(undisturbed)


def test_failures_are_counted_by_kind_among_what_is_asked_for(setup: Setup, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    whole = run(setup, [NONE, DISTINCT[0]], ["jacob_cov", "l2_norm"], path)
    assert whole.failures == {"disconnected": 1}
    told = {"disconnected": "jacob_cov: no path leads from the input to the output"}
    assert whole == Summary(path, 2, 2, 2, 0, whole.seconds, {"disconnected": 1}, told)
    assert run(setup, DISTINCT[:1], ["jacob_cov", "l2_norm"], path).failures == {}
    assert run(setup, [NONE], ["l2_norm"], path).failures == {}


def test_failed_attempts_are_repeated_only_on_request(setup: Setup, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    failed = {DISTINCT[0]: "crashed", DISTINCT[1]: "error", DISTINCT[2]: "degenerate"}
    rows = [Row(SPACE.key(a), "snip", None, kind, "") for a, kind in failed.items()]
    with Store.open(path, setup.configuration) as store:
        store.add(rows, {})
    assert sorted(run(setup, DISTINCT[:3], ["snip"], path).failures) == sorted(failed.values())
    assert run(setup, DISTINCT[1:3], ["snip"], path, retry=True).failures == {"degenerate": 1}
    with Store.read(path) as store:
        kinds = {row.network: row.failure for row in store.rows()}
    assert kinds[SPACE.key(DISTINCT[0])] == "crashed"  # not asked for, hence not forgotten
    assert kinds[SPACE.key(DISTINCT[1])] is None


def test_counts_alone_need_no_scoring(setup: Setup, tmp_path: Path) -> None:
    told: list[Progress] = []
    summary = run(setup, CHOSEN, ["params", "flops"], tmp_path / "run.sqlite", progress=told.append)
    assert (summary.scored, summary.failures) == (0, {})
    assert [(state.done, state.total) for state in told] == [(0, 0)]


def test_progress_is_told_after_every_network(setup: Setup, tmp_path: Path) -> None:
    told: list[Progress] = []
    path = tmp_path / "run.sqlite"
    run(setup, DISTINCT[:2], ["jacob_cov"], path)
    run(setup, [*DISTINCT[:5], NONE], ["jacob_cov"], path, progress=told.append)
    assert [state.done for state in told] == [2, 3, 4, 5, 6]
    assert {state.total for state in told} == {6}
    assert (told[0].rate, told[0].remaining) == (0.0, None)
    assert told[-1].remaining == 0.0
    assert told[-1].failed == 1
    items = plan(SPACE, [*DISTINCT[2:5], NONE], ["jacob_cov"], {})
    costs = [item.cost for item in items]
    for number, state in enumerate(told[1:], 1):
        assert state.rate == pytest.approx(number / state.elapsed)
        expected = state.elapsed * sum(costs[number:]) / sum(costs[:number])
        assert state.remaining == pytest.approx(expected)


def test_what_is_scored_until_the_time_is_up_is_the_beginning_of_the_plan(
    setup: Setup, tmp_path: Path
) -> None:
    path = tmp_path / "run.sqlite"
    first = run(setup, DISTINCT[:5], ["snip"], path, limit=0)
    assert (first.scored, first.left) == (1, 4)
    with Store.read(path) as store:
        (row,) = store.rows()
    assert row.network == plan(SPACE, DISTINCT[:5], ["snip"], {})[0].network
    second = run(setup, DISTINCT[:5], ["snip"], path, limit=3600)
    assert (second.scored, second.left) == (4, 0)


def test_a_second_coordinator_is_refused_and_the_first_goes_on(
    setup: Setup, undisturbed: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run.sqlite"
    with start(path) as first:
        reached(path, 1, first)
        with pytest.raises(StoreError, match=rf"in use by another run \(process {first.pid}\)"):
            run(setup, CHOSEN, PROXIES, path)
        assert first.poll() is None
    assert first.returncode == 0
    assert cells(path) == cells(undisturbed)


def test_the_store_of_another_protocol_is_refused(setup: Setup, undisturbed: Path) -> None:
    settings = dataclasses.replace(setup.configuration, protocol="abdelfattah2021")
    other = dataclasses.replace(setup, configuration=settings)
    with pytest.raises(StoreError, match="protocol: abdelfattah2021, not clean"):
        run(other, CHOSEN, PROXIES, undisturbed)


def test_wrong_arguments_leave_no_store(setup: Setup, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with pytest.raises(InputError, match="did you mean 'snip'"):
        run(setup, CHOSEN, ["snipp"], path)
    with pytest.raises(InputError, match="1 or more"):
        run(setup, CHOSEN, PROXIES, path, workers=0)
    with pytest.raises(InputError, match="nor_conv_5x5"):
        run(setup, ["|nor_conv_5x5~0|"], PROXIES, path)
    assert list(tmp_path.iterdir()) == []
