"""Workers on a Ray cluster: they and whole nodes may die or join while the work goes on."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from zcproxy.errors import ZcproxyError, reason
from zcproxy.runs import ray_cluster
from zcproxy.runs.contract import ATTEMPTS, Score, crashed, environment
from zcproxy.runs.items import Item, score_item, versions
from zcproxy.runs.ray_task import score_remotely
from zcproxy.store.database import Row

if TYPE_CHECKING:
    from ray import ObjectRef

__all__ = ["RayPool"]

RESOURCES = {"num_cpus": 1}
"""What of a node an item takes while it is scored."""

QUEUED = 4
"""Items handed to Ray per CPU of the cluster, so that none waits for the driver."""

LOOK = 2.0
"""Seconds between looks at how many CPUs the cluster has."""


class RayPool:
    """Scores items as tasks of one thread on a Ray cluster; the setup travels once to each node.

    Ray finds a place for each task and uses nodes that join. A task whose worker or node dies is
    handed in again by this process, which alone counts the attempts; a worker remembers nothing
    that matters. What comes back are the rows, so that one process can write them all.

    Args:
        setup: what all items share, a Setup or whatever else `score` takes.
        address: HOST:PORT of the cluster's head, `auto` for the one this machine is in, or `local`
            for a cluster of this machine that ends with the run.
        workers: how many items at once at most; None is as many as the cluster has CPUs.
        score: what scores an item, a function that all nodes can import.

    Raises: InputError if Ray is not installed or `address` can be none.
    """

    def __init__(
        self,
        setup: object,
        address: str,
        workers: int | None = None,
        score: Score = score_item,
    ) -> None:
        ray_cluster.check_address(address)
        self._job = (score, setup)
        self._address = address
        self._most = workers
        self._room, self._next_look = 0, 0.0
        self._queue: deque[Item] = deque()
        self._running: dict[ObjectRef[Any], Item] = {}
        self._deaths: Counter[str] = Counter()
        self._failed_starts = 0
        self._connected = False

    def results(self, items: Sequence[Item]) -> Generator[tuple[Item, list[Row]], None, None]:
        """Every item with its rows, in the order in which they are finished.

        Raises: ZcproxyError if the cluster cannot be reached, is lost, or has a node that runs
            other software; InputError if this process uses Ray already.
        """
        if not items:
            return
        self._queue = deque(items)
        ray_cluster.connect(self._address, self._most)
        self._connected = True
        try:
            submit = self._task()
            while self._queue or self._running:
                self._hand_in(submit)
                yield from self._hear()
        finally:
            self.close()

    def close(self) -> None:
        """Leave the cluster; what runs there for us is ended."""
        if self._connected:
            self._running.clear()
            ray_cluster.disconnect()
            self._connected = False

    def _task(self) -> Any:
        """A function that starts the scoring of an item and gives the reference of its rows."""
        import ray
        from ray import cloudpickle

        job, wanted = ray.put(cloudpickle.dumps(self._job)), ray.put(versions())
        task = ray.remote(**RESOURCES, max_retries=0, runtime_env={"env_vars": environment()})(
            score_remotely
        )
        return lambda item: task.remote(item, job, wanted)

    def _hand_in(self, submit: Any) -> None:
        """Let the cluster have as many items as it has use for."""
        if time.monotonic() >= self._next_look:
            self._room = self._most or QUEUED * _cpus()
            self._next_look = time.monotonic() + LOOK
        while self._queue and len(self._running) < self._room:
            item = self._queue.popleft()
            self._running[submit(item)] = item

    def _hear(self) -> Iterator[tuple[Item, list[Row]]]:
        """What is finished by now, after waiting a while for the first."""
        import ray

        everything = list(self._running)
        if not ray.wait(everything, timeout=LOOK)[0]:
            return
        finished, _ = ray.wait(everything, num_returns=len(everything), timeout=0)
        for reference in finished:
            yield from self._take(self._running.pop(reference), reference)

    def _take(self, item: Item, reference: ObjectRef[Any]) -> Iterator[tuple[Item, list[Row]]]:
        """The rows of a finished item; one whose worker died is queued again, or has failed."""
        import ray
        from ray import exceptions as of_ray

        try:
            rows = ray.get(reference)
        except (
            of_ray.WorkerCrashedError,
            of_ray.NodeDiedError,
            of_ray.OutOfMemoryError,
            of_ray.ObjectLostError,
        ) as error:
            yield from self._retry(item, type(error).__name__)
        except of_ray.RuntimeEnvSetupError as error:
            self._failed_starts += 1
            if self._failed_starts == ATTEMPTS:
                raise ZcproxyError(f"Ray's workers do not start ({reason(error)})") from error
            self._queue.appendleft(item)
        except of_ray.RayTaskError as error:
            raise _explained(error.cause) from error
        except of_ray.RayError as error:
            raise ZcproxyError(
                f"the Ray cluster is lost ({reason(error)}); once it is back, or without --ray, "
                "the same command goes on from what is kept"
            ) from error
        else:
            self._failed_starts = 0
            yield item, rows

    def _retry(self, item: Item, cause: str) -> Iterator[tuple[Item, list[Row]]]:
        self._deaths[item.network] += 1
        if self._deaths[item.network] == ATTEMPTS:
            yield item, crashed(item, cause)
        else:
            self._queue.appendleft(item)


def _cpus() -> int:
    """CPUs of the cluster now; one where it has none yet, so that Ray sees what is wanted."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 0)))


def _explained(cause: BaseException) -> ZcproxyError:
    """The error of the driver for what a worker could not do."""
    if isinstance(cause, ZcproxyError):
        return ZcproxyError(str(cause))
    return ZcproxyError(
        f"a worker on the Ray cluster cannot score ({reason(cause)}); "
        "is zcproxy installed on all nodes as it is here?"
    )
