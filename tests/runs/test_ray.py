"""A Ray cluster of several nodes: workers, nodes and drivers die, and every score is there once."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from zcproxy import spaces
from zcproxy.configuration import Configuration
from zcproxy.errors import InputError, ZcproxyError
from zcproxy.runs import Progress, Setup, prepare, ray_cluster, ray_pool, run
from zcproxy.runs.items import Item, versions
from zcproxy.runs.ray_pool import RayPool
from zcproxy.runs.ray_task import score_remotely
from zcproxy.runs.selection import sample
from zcproxy.store import Row, Store

pytestmark = pytest.mark.skipif(
    find_spec("ray") is None, reason="needs Ray: pip install 'zcproxy[ray]'"
)

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SPACE = spaces.get("digits201")
CHOSEN = sample(SPACE, 24, seed=5)
NETWORKS = len({SPACE.key(architecture) for architecture in CHOSEN})
PROXIES = ["snip", "synflow", "jacob_cov"]
BATCH = Setup(
    Configuration("digits201", "digits", "00", (1, 8, 8), 10),
    np.ones((64, 3, 32, 32), dtype=np.float32),
    np.zeros(64, dtype=np.int64),
)
ENDING = 30.0
"""Seconds in which processes that must end must have ended; mostly they need one."""

NOTICED = 90.0
"""Seconds in which Ray must have noticed a dead node; by default it checks for about 30."""

DRIVER = """
import sys
from zcproxy import spaces
from zcproxy.runs import prepare, run
from zcproxy.runs.selection import sample
path, address, *proxies = sys.argv[1:]
chosen = sample(spaces.get("digits201"), 24, seed=5)
setup = prepare("digits201", "digits", batch_size=32)
tell = lambda state: print(state.done, flush=True)
run(setup, chosen, proxies, path, ray=address, progress=tell)
"""

Cell = tuple[str, str, str | None, str | None]


class Nodes:
    """A cluster on this machine, one CPU per node, with eyes on its processes."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        self.address: str = self._cluster.address

    def join(self) -> Any:
        return self._cluster.add_node(num_cpus=1)

    def kill(self, node: Any) -> None:
        """Kill a node's processes at once, as when its machine loses power."""
        self._cluster.remove_node(node, allow_graceful=False)

    def settle(self) -> None:
        """Wait until Ray counts who is gone as gone: here all nodes have one address, and a driver
        that starts before would look for the dead one."""
        self._cluster.wait_for_nodes(NOTICED)

    def busy(self, node: Any = None) -> list[int]:
        """Processes that score at this moment, on one node or on all."""
        nodes = [self._cluster.head_node, *self._cluster.worker_nodes] if node is None else [node]
        parents = [n.all_processes["raylet"][0].process.pid for n in nodes]
        return [n for parent in parents for n in children(parent) if "score_re" in title(n)]

    def close(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module", autouse=True)
def surroundings() -> Iterator[None]:
    """Clusters with a token of their own (Ray else writes one to the user's home)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(HERE)]))
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_health_check_period_ms", "500")  # dead nodes are noticed sooner
        patch.setenv("RAY_worker_niceness", "0")  # 15 by default, slow on a busy machine
        yield


@pytest.fixture(scope="module")
def nodes(surroundings: None) -> Iterator[Nodes]:
    """A cluster of two nodes whose workers can import the stand-ins."""
    cluster = Nodes()
    try:
        cluster.join()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def scorers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    """The modules of stand-ins, importable here too."""
    monkeypatch.syspath_prepend(str(HERE))
    import ray_scorers
    import scorers

    yield scorers, ray_scorers
    del sys.modules["scorers"], sys.modules["ray_scorers"]


@pytest.fixture(scope="module")
def setup() -> Setup:
    return prepare("digits201", "digits", batch_size=32)


@pytest.fixture(scope="module")
def local(setup: Setup, tmp_path_factory: pytest.TempPathFactory) -> list[Cell]:
    """The rows of a run by a worker process of this machine."""
    path = tmp_path_factory.mktemp("local") / "run.sqlite"
    assert run(setup, CHOSEN, PROXIES, path).scored == NETWORKS
    return cells(path)


@pytest.fixture
def retried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How each worker ended that died with an item."""
    causes: list[str] = []
    original = RayPool._retry

    def spy(self: RayPool, item: Item, cause: str) -> Iterator[tuple[Item, list[Row]]]:
        causes.append(cause)
        return original(self, item, cause)

    monkeypatch.setattr(RayPool, "_retry", spy)
    return causes


def cells(path: Path) -> list[Cell]:
    """The rows of a store but for the times, values as exact text."""
    with Store.read(path) as store:
        rows = store.rows()
    return [
        (r.network, r.proxy, None if r.value is None else r.value.hex(), r.failure) for r in rows
    ]


def items(*networks: object) -> list[Item]:
    return [Item(str(network), "", ("snip", "plain"), 1.0) for network in networks]


def rows(pool: RayPool, *networks: object) -> dict[str, list[Row]]:
    """What came for every network; a second answer would be an error."""
    found: dict[str, list[Row]] = {}
    for item, answer in pool.results(items(*networks)):
        assert item.network not in found
        found[item.network] = answer
    return found


def children(number: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{number}/task").iterdir())
        found = [int(n) for task in tasks for n in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return found


def descendants(number: int) -> set[int]:
    found = set(children(number))
    return found.union(*(descendants(child) for child in found))


def title(number: int) -> str:
    try:
        return Path(f"/proc/{number}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def eventually(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for something that must happen, and fail if it has not after some seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"it did not happen within {seconds} seconds")
        time.sleep(0.02)


def test_a_killed_worker_loses_and_doubles_nothing(
    nodes: Nodes, setup: Setup, local: list[Cell], tmp_path: Path, retried: list[str]
) -> None:
    told: list[Progress] = []

    def tell(state: Progress) -> None:
        told.append(state)
        if state.done == 5:
            kill_one()

    def kill_one() -> None:
        eventually(lambda: bool(nodes.busy()), ENDING)
        for number in nodes.busy()[:1]:
            os.kill(number, signal.SIGKILL)

    path = tmp_path / "run.sqlite"
    summary = run(setup, CHOSEN, PROXIES, path, ray=nodes.address, progress=tell)
    assert retried == ["WorkerCrashedError"]
    assert cells(path) == local
    assert summary.scored == NETWORKS
    assert [state.done for state in told] == list(range(NETWORKS + 1))
    assert summary.failures == Counter(failure for *_, failure in local if failure)


def test_a_killed_node_loses_and_doubles_nothing(
    nodes: Nodes, setup: Setup, local: list[Cell], tmp_path: Path, retried: list[str]
) -> None:
    third = nodes.join()

    def tell(state: Progress) -> None:
        if state.done == 5:
            eventually(lambda: bool(nodes.busy(third)), ENDING)
            nodes.kill(third)

    path = tmp_path / "run.sqlite"
    run(setup, CHOSEN, PROXIES, path, ray=nodes.address, progress=tell)
    nodes.settle()
    assert len(retried) == 1
    assert cells(path) == local


def test_a_stopped_driver_leaves_the_cluster_free(nodes: Nodes, tmp_path: Path) -> None:
    with driver(tmp_path / "run.sqlite", nodes.address) as process:
        reached(process, 1)
        process.send_signal(signal.SIGINT)
    assert process.returncode != 0
    eventually(lambda: not nodes.busy(), ENDING)


def test_a_killed_driver_takes_its_own_cluster_along_and_is_resumed_without_ray(
    setup: Setup, local: list[Cell], tmp_path: Path
) -> None:
    path = tmp_path / "run.sqlite"
    with driver(path, "local") as process:
        reached(process, 5)
        started = descendants(process.pid)
        assert any("raylet" in title(number) for number in started)
        process.kill()
    try:
        eventually(lambda: not any(map(works, started)), ENDING)
    finally:
        end(started)
    kept = {network for network, *_ in cells(path)}
    assert 5 <= len(kept) < NETWORKS
    assert run(setup, CHOSEN, PROXIES, path).scored == NETWORKS - len(kept)
    assert cells(path) == local


def works(number: int) -> bool:
    """Whether a process is there, but for Ray's agents: they end by themselves, a minute later."""
    return title(number).partition("Agent")[0] not in ("", "ray::Dashboard", "ray::RuntimeEnv")


def end(numbers: set[int]) -> None:
    for number in numbers:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def driver(path: Path, address: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", DRIVER, str(path), address, *PROXIES]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
    )


def reached(process: subprocess.Popen[str], wanted: int) -> None:
    """Wait until a driver has told of so many networks."""
    assert process.stdout is not None
    numbers = (int(line) for line in process.stdout if line.strip().isdigit())  # Ray prints too
    assert any(number >= wanted for number in numbers)


def test_workers_start_as_those_of_a_local_run_and_no_more_at_once_than_wanted(
    nodes: Nodes, scorers: tuple[ModuleType, ModuleType], tmp_path: Path
) -> None:
    pool = RayPool(BATCH, nodes.address, workers=1, score=scorers[1].surroundings)
    found = rows(pool, *(tmp_path / name for name in "abcd"))
    values = [{row.proxy: row.value for row in answer} for answer in found.values()]
    sound = {"beside": 0.0, "threads": 1.0, "sum": 64 * 3 * 32 * 32, "writable": 1.0}
    names = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GLIBC_TUNABLES"]
    names += [f"MALLOC_{name}_" for name in ("MMAP_THRESHOLD", "TRIM_THRESHOLD", "TOP_PAD")]
    assert values == [sound | {"garbage": 0.0} | dict.fromkeys(names, 1.0)] * 4


def test_nodes_that_join_are_used(
    nodes: Nodes,
    scorers: tuple[ModuleType, ModuleType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_pool, "QUEUED", 1)
    for name in "abc":
        (tmp_path / name).mkdir()
    joined: list[Any] = []
    cpus = ray_pool._cpus

    def look() -> int:
        before = cpus()
        if not joined:
            joined.append(nodes.join())
        return before

    monkeypatch.setattr(ray_pool, "_cpus", look)
    try:
        pool = RayPool(BATCH, nodes.address, score=scorers[1].together)
        found = rows(pool, *(tmp_path / name for name in "abc"))
    finally:
        nodes.kill(joined[0])
        nodes.settle()
    assert [answer[0].value for answer in found.values()] == [3.0] * 3


def test_an_item_that_always_kills_becomes_crashed_and_the_others_are_scored(
    nodes: Nodes, scorers: tuple[ModuleType, ModuleType], retried: list[str]
) -> None:
    found = rows(RayPool(BATCH, nodes.address, score=scorers[0].die), "killer", "a", "b")
    assert found.keys() == {"killer", "a", "b"}
    assert [(row.proxy, row.value, row.failure) for row in found["killer"]] == [
        ("snip", None, "crashed"),
        ("plain", None, "crashed"),
    ]
    assert found["killer"][0].message == (
        "3 workers died of it (WorkerCrashedError; short of memory?) while 2 proxies were asked "
        "for; --retry with fewer tells of which"
    )
    assert found["a"] == [Row("a", proxy, 1.0) for proxy in ("snip", "plain")]
    assert retried == ["WorkerCrashedError"] * 3


def test_a_worker_of_other_software_scores_nothing() -> None:
    wanted = {**versions(), "torch": "1.0"}
    with pytest.raises(ZcproxyError, match=r"^node \S+ has torch 2\.\S+, not 1\.0, so its scores"):
        score_remotely(items("a")[0], b"", wanted)


def test_what_a_worker_finds_wrong_ends_the_run_in_its_own_words() -> None:
    assert str(ray_pool._explained(ZcproxyError("node x has y"))) == "node x has y"
    text = str(ray_pool._explained(ModuleNotFoundError("No module named 'zcproxy'")))
    assert "(ModuleNotFoundError: No module named 'zcproxy'); is zcproxy installed" in text


def test_what_workers_cannot_load_ends_the_run(
    nodes: Nodes, scorers: tuple[ModuleType, ModuleType]
) -> None:
    with pytest.raises(ZcproxyError, match=r"cannot score \(RuntimeError: unloadable on purpose"):
        rows(RayPool(BATCH, nodes.address, score=scorers[0].Unloadable()), "a")


def test_a_process_that_uses_ray_already_is_told(nodes: Nodes) -> None:
    import ray

    ray.init(nodes.address, log_to_driver=False, logging_level=40)
    try:
        with pytest.raises(InputError, match=r"call ray\.shutdown\(\) first"):
            rows(RayPool(BATCH, nodes.address), "a")
        assert ray.is_initialized()
    finally:
        ray.shutdown()


def test_nothing_to_do_needs_no_cluster() -> None:
    assert rows(RayPool(BATCH, "127.0.0.1:1")) == {}


def test_a_closed_port_is_no_cluster() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ZcproxyError, match=rf"no Ray cluster at '127\.0\.0\.1:{port}'.* refused"):
        rows(RayPool(BATCH, f"127.0.0.1:{port}"), "a")


def test_a_port_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "JOINED_WITHIN", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ZcproxyError, match=r"no answer within 2 s\); start one with ray start"):
            rows(RayPool(BATCH, address), "a")


def test_a_cluster_with_another_token_says_so(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    monkeypatch.setattr(ray_cluster, "JOINED_WITHIN", 8.0)  # Ray tries for longer
    with pytest.raises(ZcproxyError, match=r"refuses this process: set RAY_AUTH_MODE=token"):
        rows(RayPool(BATCH, nodes.address), "a")


def test_no_cluster_here_to_join(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:none")
    with pytest.raises(ZcproxyError, match="no Ray cluster at 'auto'"):
        rows(RayPool(BATCH, "auto"), "a")


@pytest.mark.parametrize("address", ["", "here", "head:", ":6379", "ray://head:10001", "head:x"])
def test_what_can_be_no_address_leaves_no_store(setup: Setup, tmp_path: Path, address: str) -> None:
    with pytest.raises(InputError, match="give HOST:PORT of its head"):
        run(setup, CHOSEN, PROXIES, tmp_path / "run.sqlite", ray=address)
    assert list(tmp_path.iterdir()) == []


def test_without_ray_it_is_said_what_to_install(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'zcproxy\[ray\]'"):
        run(setup, CHOSEN, PROXIES, tmp_path / "run.sqlite", ray="local")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("noise\nTraceback (most recent call last):\n  File x\n    y\nE: one\ntwo\n", "E: one two"),
        ("noise\n", "noise"),
        ("", "it ended without a word"),
    ],
)
def test_the_reason_is_the_last_exception(printed: str, expected: str) -> None:
    assert ray_cluster._reason(printed.encode()) == expected
