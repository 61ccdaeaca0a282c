"""Networks scored side by side: stacks of items, on a GPU or (for tests) on processors."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from zcproxy.blueprint import Blueprint
from zcproxy.errors import InputError
from zcproxy.kinds import CRASHED
from zcproxy.runs import memory
from zcproxy.runs.items import Item, Setup, measured_rows, score_item
from zcproxy.runs.pool import Pool
from zcproxy.store.database import Row

__all__ = ["WORKERS", "Stack", "StackedPool", "Stacking", "score_stack", "stacked", "wanted"]

WORKERS = 4
"""Processes for one GPU unless told otherwise: one computes while others build and add up."""

MOST = 64
"""Networks side by side at most, where free memory decides."""

SHARE = 0.8
"""Of the free memory of a GPU, what stacks may be expected to take."""

OVERHEAD = 1.25
"""Memory of a network in a stack over `memory.needed`: 1.03 on processors, and room for kernels."""


@dataclass(frozen=True)
class Stacking:
    """Where networks are scored, and how many side by side.

    Attributes:
        device: name of the device for torch, such as `cuda` or `cuda:1`.
        size: networks side by side; None until `settled`.
        name: what the device is, for people and for the store.
        told: both, and what the size rests on, in words.
    """

    device: str
    size: int | None
    name: str
    told: str = ""

    @property
    def provenance(self) -> dict[str, str]:
        """What the store keeps of it beside the versions: either may change last bits."""
        return {"device": self.name, "stack": str(self.size)}

    def settled(
        self, blueprints: Iterable[Blueprint], batch_size: int, proxies: Sequence[str], workers: int
    ) -> Stacking:
        """With a size: the one asked for, or as many as fit into each worker's share of memory.

        Raises: InputError if what was asked for does not fit on processors, or not even one network
            on a GPU; a batch is never split. On GPUs a size asked for is tried in any case.
        """
        bytes_each = [_bytes(b, batch_size, proxies) for b in blueprints]
        each, free = max(bytes_each, default=1), _free(self.device)
        fitting = int(SHARE * free / workers / each)
        size = self.size or max(1, min(MOST, fitting))
        most = min(size, len(bytes_each))
        if most > fitting and (self.device == "cpu" or self.size is None):
            raise InputError(_refusal(most, batch_size, each, workers, free))
        told = f"{size} side by side on {self.name}, up to {_gib(each)} each of {_gib(free)} free"
        return replace(self, size=size, told=told)


@dataclass(frozen=True)
class Stack(Item):
    """Items that are scored together; its proxies are those of each, its cost is their sum."""

    items: tuple[Item, ...] = ()


def wanted(device: str, size: int | None, ray: str | None = None) -> Stacking | None:
    """What was asked for, or None for networks one by one on processors.

    Raises: InputError for an unknown device, one that is not here, a bad size, or a Ray cluster.
    """
    if size is not None and size < 1:
        raise InputError(f"{size} networks cannot stand side by side; give 1 or more")
    if device == "cpu" and (size or 1) == 1:
        return None
    if ray is not None:
        raise InputError("workers on Ray score one by one on processors; leave out device or Ray")
    return Stacking(device, size, _name(device))


def stacked(items: Sequence[Item], size: int, alone: Iterable[str] = ()) -> list[Stack]:
    """Items of equal proxies and similar cost in stacks of a size, the most expensive first.

    Those `alone` are by themselves.
    """
    single = frozenset(alone)
    together: dict[tuple[str, ...], list[Item]] = {}
    stacks = []
    for item in sorted(items, key=lambda item: (-item.cost, item.network)):
        if item.network in single:
            stacks.append(_stack([item]))
        else:
            together.setdefault(item.proxies, []).append(item)
    for equal in together.values():
        stacks += [_stack(equal[at : at + size]) for at in range(0, len(equal), size)]
    return sorted(stacks, key=lambda stack: -stack.cost)


def score_stack(stack: Item, setup: Setup, device: str = "cpu") -> list[Row]:
    """The rows of all items of a stack; where the stack fails as a whole, those of its halves.

    A network by itself is scored as `score_item` does, also where it cannot be stacked.
    """
    items = stack.items if isinstance(stack, Stack) else (stack,)
    if len(items) == 1:
        return score_item(items[0], setup, device)
    rows = _together(items, setup, device)
    if rows is None:
        _give_memory_back()
        rows = []
        for half in _halves(items):
            rows += score_stack(half, setup, device)
    return rows


class StackedPool:
    """Worker processes that score stacks, and tell every item by itself; see `Pool`.

    A stack that takes its workers down is tried again in halves, so that a network which cannot be
    scored fails alone.

    Args:
        setup: what all items share.
        workers: how many processes; they share the device.
        stacking: a settled one.
    """

    def __init__(self, setup: Setup, workers: int, stacking: Stacking) -> None:
        self._space = setup.configuration.space
        self._size = stacking.size or 1
        self._pool = Pool(setup, workers, partial(score_stack, device=stacking.device))

    def results(self, items: Sequence[Item]) -> Generator[tuple[Item, list[Row]], None, None]:
        """Every item with its rows, stack by stack as they are finished.

        Raises: ZcproxyError if workers die before they are ready.
        """
        from zcproxy import spaces

        space = spaces.get(self._space)
        alone = [i.network for i in items if not space.blueprint(i.architecture).connected]
        stacks = stacked(items, self._size, alone)
        while stacks:
            again: list[Stack] = []
            with closing(self._pool.results(stacks)) as results:
                for stack, rows in results:
                    assert isinstance(stack, Stack)
                    if len(stack.items) > 1 and rows[0].failure == CRASHED:
                        again += _halves(stack.items)
                    else:
                        yield from _told_apart(stack, rows)
            stacks = again

    def close(self) -> None:
        """End all workers at once."""
        self._pool.close()


def _together(items: Sequence[Item], setup: Setup, device: str) -> list[Row] | None:
    """The rows of items scored at once; None where that fails, for whatever reason."""
    import torch

    from zcproxy import protocols, scoring, spaces
    from zcproxy.networks.stacked import StackedNetwork

    settings = setup.configuration
    space = spaces.get(settings.space)
    initialization = protocols.get(settings.protocol).initialization
    try:
        blueprints = [space.blueprint(item.architecture, settings.classes) for item in items]
        results = scoring.measure_stacked(
            StackedNetwork(blueprints, settings.seed, device, initialization),
            torch.from_numpy(setup.inputs).to(device),
            torch.from_numpy(setup.targets).to(device),
            items[0].proxies,
            settings.protocol,
            settings.seed,
        )
    except Exception:  # out of memory, most likely; what belongs to a network comes back in halves
        return None
    return [
        row
        for item, found in zip(items, results, strict=True)
        for row in measured_rows(item, found)
    ]


def _give_memory_back() -> None:
    """Free what a failed stack has left behind, for the halves."""
    import torch

    gc.collect()
    torch.cuda.empty_cache()


def _stack(items: Sequence[Item]) -> Stack:
    name = "\n".join(item.network for item in items)
    cost = sum(item.cost for item in items)
    return Stack(name, items[0].architecture, items[0].proxies, cost, tuple(items))


def _halves(items: Sequence[Item]) -> list[Stack]:
    middle = len(items) // 2
    return [_stack(items[:middle]), _stack(items[middle:])]


def _told_apart(stack: Stack, rows: Sequence[Row]) -> Iterable[tuple[Item, list[Row]]]:
    """Every item of a stack with its own rows."""
    for item in stack.items:
        yield item, [row for row in rows if row.network == item.network]


def _bytes(blueprint: Blueprint, batch_size: int, proxies: Sequence[str]) -> int:
    """Bytes that a network adds to a stack, at most."""
    return int(OVERHEAD * (memory.needed(blueprint, batch_size, proxies) - memory.FIXED))


def _refusal(size: int, batch_size: int, each: int, workers: int, free: int) -> str:
    return (
        f"{size} side by side on a batch of {batch_size:,} images need up to {_gib(size * each)} "
        f"in each of {workers} workers, and {_gib(free)} are free; use fewer --workers, a smaller "
        "--stack, or a smaller --batch-size, whose scores are other scores"
    )


def _name(device: str) -> str:
    """What a device is, such as its product name; raises InputError if it cannot be used."""
    import torch

    if device == "cpu":
        return "cpu"
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number.isdigit() or device == "cuda"):
        raise InputError(f"no device '{device}'; known: cpu, cuda, cuda:0, cuda:1 and so on")
    count = torch.cuda.device_count()
    if count <= int(number or 0):
        raise InputError(
            f"no device {device} here: torch {torch.__version__} finds {count} GPUs; "
            "use --device cpu"
        )
    return torch.cuda.get_device_name(device)


def _free(device: str) -> int:
    """Bytes of memory that are free on a device."""
    import torch

    if device == "cpu":
        found = memory.available()
        return (1 << 62) if found is None else found
    return int(torch.cuda.mem_get_info(device)[0])


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.2f} GiB"
