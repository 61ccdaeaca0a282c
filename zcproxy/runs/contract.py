"""What the coordinator expects of a pool of workers, and what all pools have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol

from zcproxy.kinds import CRASHED
from zcproxy.runs.items import Item, failures
from zcproxy.store.database import Row

__all__ = ["ATTEMPTS", "Score", "Workers", "crashed", "environment"]

ATTEMPTS = 3
"""How many workers an item may take down before it counts as failed, or may fail to start."""

Score = Callable[[Item, Any], list[Row]]
"""What scores an item, given what all items share."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),  # the most that glibc accepts
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "MALLOC_TOP_PAD_": str(1 << 28),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""For glibc: reuse freed memory instead of returning it, in huge pages; other systems ignore it."""


class Workers(Protocol):
    """Workers somewhere that score items and may die at any moment."""

    def results(self, items: Sequence[Item]) -> Generator[tuple[Item, list[Row]], None, None]:
        """Every item once with its rows, as they are finished.

        An item whose worker died is given to another one; after `ATTEMPTS` dead workers its rows
        are failures of the kind `crashed`. Closing the generator ends the workers.

        Raises: ZcproxyError if no worker can be had.
        """

    def close(self) -> None:
        """End all workers at once."""


def environment() -> dict[str, str]:
    """Variables a worker must start with; what the user has set of the memory's stays."""
    kept = {name: os.environ.get(name, value) for name, value in KEEP_MEMORY.items()}
    return {**kept, **ONE_THREAD}


def crashed(item: Item, cause: str) -> list[Row]:
    """The rows of a network that has used up its attempts; `cause` says how the last one ended."""
    memory = "" if cause.startswith("exit status") else "; short of memory?"
    message = f"{ATTEMPTS} workers died of it ({cause}{memory})"
    if len(item.proxies) > 1:
        message += (
            f" while {len(item.proxies)} proxies were asked for; --retry with fewer tells of which"
        )
    return failures(item, CRASHED, message)
