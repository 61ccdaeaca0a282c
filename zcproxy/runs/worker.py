"""A worker process: receives work items, sends back rows, and ends with its coordinator."""

from __future__ import annotations

import gc
import os
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["READY", "main"]

READY = "ready"


def main(descriptor: int, memory: int | None = None) -> None:
    """Score items that arrive at a socket, one after the other, until its other end closes.

    First comes a pair of what to call and the Setup, then Items; sent are READY once, then one list
    of rows per item. Standard input is the lifeline: it ends when the coordinator does, and then
    this process ends at once. Where the system can, it refuses this process more than so many bytes
    of `memory`.
    """
    if memory is not None:
        with suppress(ImportError, ValueError, OSError):
            import resource

            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    threading.Thread(target=_end_with_coordinator, daemon=True).start()
    connection: Connection[Any, Any] = Connection(descriptor)
    try:
        _serve(connection)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    finally:
        connection.close()


def _serve(connection: Connection[Any, Any]) -> None:
    score, setup = connection.recv()
    import torch

    torch.set_num_threads(1)
    connection.send(READY)
    gc.freeze()  # what is imported stays, and need not be looked through after every network
    gc.disable()
    while True:
        connection.send(score(connection.recv(), setup))
        gc.collect()


def _end_with_coordinator() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)
