"""How far a number of trainings is, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Progress", "Teller"]


@dataclass(frozen=True)
class Progress:
    """How far it is: trainings `done` of `total`, and seconds it is expected to take yet."""

    done: int
    total: int
    remaining: float | None


class Teller:
    """Counts trainings and tells how far it is; all cost the same on average."""

    def __init__(self, done: int, total: int, progress: Callable[[Progress], None] | None) -> None:
        self._tell = progress or (lambda _: None)
        self._done, self._earlier, self._total = done, done, total
        self._begun = time.monotonic()
        self(0)

    def __call__(self, more: int) -> None:
        self._done += more
        new = self._done - self._earlier
        each = (time.monotonic() - self._begun) / new if new else None
        remaining = None if each is None else each * (self._total - self._done)
        self._tell(Progress(self._done, self._total, remaining))
