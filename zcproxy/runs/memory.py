"""How much memory a worker needs, and whether this machine has it; batches are never split."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from zcproxy.blueprint import WEIGHTED, Blueprint
from zcproxy.errors import InputError

__all__ = ["available", "bound", "check", "needed"]

FIXED = 512 << 20
"""Bytes of an interpreter with torch, and of what the allocator keeps in hand."""

TWICE = ("grasp",)
"""Proxies for which the graph of the gradients is kept, too."""

MAPS = {False: (5.8, 2.3, 0.6), True: (10.5, 8.0, 1.2)}
"""Maps alive at once (without and with `TWICE`): of the skeleton, per convolution and per pooling.

Measured on networks with no, some and only convolutions, batches of 32 to 128, and a tenth more;
`benchmarks/memory.py` compares.
"""


AGAIN = ("grad_sign", "vkdnw", "zico")
"""Proxies that run the network again on images of the batch, while the first graph is alive."""

MORE = (5.8, 4.2, 1.0)
"""Maps of that second graph and its gradients, as `MAPS`; for grad_sign, which needs most."""


def needed(blueprint: Blueprint, batch_size: int, proxies: Iterable[str]) -> int:
    """Bytes that one worker needs at most to score a network on a batch."""
    names = set(proxies)
    first = MAPS[not names.isdisjoint(TWICE)]
    second = (0.0, 0.0, 0.0) if names.isdisjoint(AGAIN) else MORE
    skeleton, convolution, pooling = (a + b for a, b in zip(first, second, strict=True))
    operations = [operation.name for operation in blueprint.cell.operations]
    convolutions = sum(name in WEIGHTED for name in operations)
    maps = skeleton + convolution * convolutions + pooling * (len(operations) - convolutions)
    return FIXED + int(4 * batch_size * maps * _pixels(blueprint))


def _pixels(blueprint: Blueprint) -> int:
    """Numbers that one operation gives out in all cells, per image."""
    side, total = blueprint.image, 0
    for width in blueprint.widths:
        total += blueprint.cells * width * side * side
        side = (side + 1) // 2
    return total


def available() -> int | None:
    """Bytes of memory this process may still take, by the system and its control group."""
    found = [
        _line("/proc/meminfo", "MemAvailable:", 1024),
        _rest("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        _rest(
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ]
    known = [value for value in found if value is not None]
    if known:
        return min(known)
    with suppress(ValueError, OSError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _line(path: str, name: str, unit: int) -> int | None:
    with suppress(OSError, ValueError):
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * unit
    return None


def _rest(limit: str, usage: str) -> int | None:
    with suppress(OSError, ValueError):  # "max" is no number: no limit
        return int(Path(limit).read_text()) - int(Path(usage).read_text())
    return None


def bound(each: int) -> int:
    """Bytes that a worker may take at most, where `needed` says `each`.

    A quarter more, and two GiB of addresses that libraries reserve and never fill.
    """
    return each + each // 4 + (2 << 30)


def check(
    blueprints: Iterable[Blueprint], batch_size: int, proxies: Iterable[str], workers: int
) -> int:
    """Bytes that one worker needs at most; refuse a run that needs more memory than there is.

    Raises: InputError with the numbers, and how many workers would do.
    """
    names = list(proxies)
    each = max((needed(b, batch_size, names) for b in blueprints), default=0)
    free = available()
    if free is None or each * workers <= free:
        return each
    fitting = free // each
    way_out = (
        f"use at most {fitting} of them (--workers {fitting})"
        if fitting
        else "use a smaller --batch-size, whose scores are other scores, or leave out grasp"
    )
    raise InputError(
        f"a batch of {batch_size:,} images needs up to {_gib(each)} in each of {workers} workers, "
        f"and {_gib(free)} are free; {way_out}"
    )


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
