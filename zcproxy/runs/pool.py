"""Worker processes of this machine: they may die at any moment, the work gets done all the same."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from zcproxy.errors import ZcproxyError
from zcproxy.runs.contract import ATTEMPTS, Score, crashed, environment
from zcproxy.runs.items import Item, score_item
from zcproxy.runs.worker import READY
from zcproxy.store.database import Row

__all__ = ["Pool"]

PATIENCE = 5.0
"""Seconds a worker that has closed its socket may take to end by itself."""


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    ready: bool = False
    item: Item | None = None


class Pool:
    """Processes of one thread each that score items; every one has a socket of its own.

    Nothing is shared between workers, so one that is killed can damage nothing; its socket closes,
    its item is given to a new worker, and after `ATTEMPTS` dead workers the item's rows become
    failures of the kind `crashed`. Workers are started by `subprocess`, hence a calling script
    needs no `__main__` guard, and end with this process, even if that is killed.

    Args:
        setup: what all items share, a Setup or whatever else `score` takes; all get a copy.
        workers: how many processes.
        score: what scores an item, an importable function.

    Where `memory` is set, the system refuses every worker started afterwards more bytes than that.
    """

    memory: int | None = None

    def __init__(self, setup: object, workers: int, score: Score = score_item) -> None:
        self._setup = setup
        self._score = score
        self._count = workers
        self._workers: list[_Worker] = []
        self._queue: deque[Item] = deque()
        self._deaths: Counter[str] = Counter()
        self._failed_starts = 0

    def results(self, items: Sequence[Item]) -> Generator[tuple[Item, list[Row]], None, None]:
        """Every item with its rows, in the order in which they are finished.

        Raises: ZcproxyError if workers die before they are ready.
        """
        self._queue = deque(items)
        try:
            while self._queue or any(worker.item for worker in self._workers):
                self._staff()
                for connection in wait([worker.connection for worker in self._workers]):
                    yield from self._hear(connection)
        finally:
            self.close()

    def close(self) -> None:
        """End all workers at once; they hold nothing worth keeping."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            self._bury(worker)
        self._workers = []

    def _staff(self) -> None:
        """Give work to those who wait, and start workers as long as there is work for them."""
        for worker in self._workers:
            if self._queue and worker.ready and worker.item is None:
                worker.item = self._queue.popleft()
                with suppress(OSError):  # it died: its socket is readable and tells so
                    worker.connection.send(worker.item)
        starting = sum(not worker.ready for worker in self._workers)
        for _ in range(min(self._count - len(self._workers), len(self._queue) - starting)):
            self._workers.append(_start(self._score, self._setup, self.memory))

    def _hear(self, connection: object) -> Iterator[tuple[Item, list[Row]]]:
        (worker,) = (worker for worker in self._workers if worker.connection is connection)
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            yield from self._replace(worker)
            return
        if message == READY:
            worker.ready, self._failed_starts = True, 0
        elif worker.item is not None:
            item, worker.item = worker.item, None
            self._staff()  # the worker goes on while its result is written
            yield item, message

    def _replace(self, worker: _Worker) -> Iterator[tuple[Item, list[Row]]]:
        """Take leave of a dead worker; its item goes back to the queue, or has failed."""
        self._workers.remove(worker)
        cause = self._bury(worker)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts == ATTEMPTS:
                raise ZcproxyError(f"worker processes do not start ({cause}); see the lines above")
        if worker.item is not None:
            self._deaths[worker.item.network] += 1
            if self._deaths[worker.item.network] == ATTEMPTS:
                yield worker.item, crashed(worker.item, cause)
            else:
                self._queue.appendleft(worker.item)

    @staticmethod
    def _bury(worker: _Worker) -> str:
        """Wait for the end of a process and say how it ended."""
        worker.connection.close()
        with suppress(subprocess.TimeoutExpired):
            worker.process.wait(PATIENCE)
        worker.process.kill()
        code = worker.process.wait()
        if worker.process.stdin is not None:
            worker.process.stdin.close()
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def _start(score: Score, setup: object, memory: int | None) -> _Worker:
    """A new process that imports what this one can import, in a session of its own (no Ctrl-C)."""
    ours, theirs = socket.socketpair()
    with theirs:
        program = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            f"from zcproxy.runs.worker import main; main({theirs.fileno()}, {memory})"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=2,  # what libraries print is no result
            env={**os.environ, **environment()},
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    connection: Connection[Any, Any] = Connection(ours.detach())
    with suppress(OSError):  # it died already: reading from it will tell
        connection.send((score, setup))
    return _Worker(process, connection)
