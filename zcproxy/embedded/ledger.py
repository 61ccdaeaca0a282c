"""The trainings of the embedded benchmark, kept in a ledger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zcproxy.store import ledger

__all__ = ["Ledger", "Training"]


@dataclass(frozen=True)
class Training:
    """One network trained once: test accuracy in percent, and computing time in seconds."""

    architecture: str
    seed: int
    accuracy: float
    seconds: float


class Ledger(ledger.Ledger[Training]):
    """Trainings under one description; see `zcproxy.store.ledger`.

    Raises: StoreError if the file is in use, is not writable, is no ledger, or belongs to another
        description.
    """

    def __init__(self, path: str | Path, description: dict[str, Any]) -> None:
        super().__init__(path, description, Training, "choose another file with --store")

    @property
    def trainings(self) -> list[Training]:
        """What is kept, in the order in which it was added."""
        return self.entries
