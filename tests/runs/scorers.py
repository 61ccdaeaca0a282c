"""Stand-ins for scoring, for workers to import: they misbehave on request."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from zcproxy.runs.items import Item, Setup
from zcproxy.runs.stacks import Stack
from zcproxy.store import Row


def environment(item: Item, setup: Setup) -> list[Row]:
    """The process and its threads as scores."""
    import torch

    assert os.environ["OMP_NUM_THREADS"] == "1"
    print("this must not reach the standard output of the coordinator")
    values = {"pid": os.getpid(), "threads": torch.get_num_threads(), "sum": setup.inputs.sum()}
    return [Row(item.network, name, float(value)) for name, value in values.items()]


def die(item: Item, setup: Setup) -> list[Row]:
    """Networks called `killer` kill their worker, `once:FILE` only if FILE is not there yet."""
    if item.network == "killer":
        os.kill(os.getpid(), signal.SIGKILL)
    if item.network == "quitter":
        os._exit(7)
    if item.network.startswith("once:"):
        file = Path(item.network.removeprefix("once:"))
        if not file.exists():
            file.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return [Row(item.network, proxy, float(len(item.network))) for proxy in item.proxies]


def wait(item: Item, setup: Setup) -> list[Row]:
    """Write the process number into the file the network is named after, then wait for long."""
    file = Path(item.network)
    file.with_suffix(".part").write_text(str(os.getpid()))
    file.with_suffix(".part").rename(file)
    time.sleep(600)
    return []


class Unloadable:
    """Arrives in a worker as an error."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return _fail, ("unloadable on purpose",)

    def __call__(self, item: Item, setup: Setup) -> list[Row]:
        return []


def _fail(text: str) -> None:
    raise RuntimeError(text)


def die_in_a_stack(stack: Item, setup: Setup) -> list[Row]:
    """Stacks with a network called `killer` kill their worker."""
    assert isinstance(stack, Stack)
    if any(item.network == "killer" for item in stack.items):
        os.kill(os.getpid(), signal.SIGKILL)
    return [Row(item.network, proxy, 1.0) for item in stack.items for proxy in item.proxies]
