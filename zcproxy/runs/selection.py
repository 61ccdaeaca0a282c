"""Which architectures to score: a file of them, or a random sample of the space."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from zcproxy.errors import DataError, InputError

if TYPE_CHECKING:
    from zcproxy.spaces import NASBench201

__all__ = ["from_file", "sample"]


def sample(space: NASBench201, size: int, seed: int = 0) -> list[str]:
    """`size` architectures drawn without replacement, in the official order.

    Raises: InputError if the space has fewer, or none are asked for.
    """
    everything = space.architectures()
    if not 1 <= size <= len(everything):
        raise InputError(
            f"cannot draw {size} architectures from {space.name}: give 1 to {len(everything)}"
        )
    drawn = random.Random(seed).sample(range(len(everything)), size)
    return [everything[index] for index in sorted(drawn)]


def from_file(space: NASBench201, path: str | Path) -> list[str]:
    """The architectures of a text file, one per line; repetitions, blank lines and `#` lines drop.

    Raises: DataError if the file cannot be read or names none; InputError with the number of the
        line that is not of the space.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}") from error
    found: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                found[space.canonical(line)] = None
            except InputError as error:
                raise InputError(f"{path}, line {number}: {error}") from error
    if not found:
        raise DataError(f"{path} names no architecture; write one per line")
    return list(found)
