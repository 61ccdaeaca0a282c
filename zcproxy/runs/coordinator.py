"""A run: plan the items, let workers score them, write every result, tell how far it is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Container, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from zcproxy.errors import InputError, unknown
from zcproxy.kinds import CRASHED, ERROR, MEMORY
from zcproxy.runs import memory
from zcproxy.runs.contract import Workers
from zcproxy.runs.items import Item, Setup, plan, versions
from zcproxy.runs.pool import Pool
from zcproxy.runs.stacks import StackedPool, wanted
from zcproxy.store.database import Row, Store

__all__ = ["RETRIED", "Progress", "Summary", "run"]

RETRIED = (CRASHED, MEMORY, ERROR)
"""Kinds of failure that another attempt may not meet; the others belong to the network."""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        done: networks finished, those of earlier runs included.
        total: networks asked for.
        failed: rows of this run that are failures.
        elapsed: seconds since this run began.
        rate: networks per second in this run; 0 before the first.
        remaining: expected seconds to the end, by the items' costs; None before the first network.
        place: where networks are scored and how many side by side; empty for one by one here.
    """

    done: int
    total: int
    failed: int
    elapsed: float
    rate: float
    remaining: float | None
    place: str = ""


@dataclass(frozen=True)
class Summary:
    """What a run did: its store, counts of what was asked for, and failed rows by kind.

    `scored` networks were scored by this run, the others of `networks` were in the store already;
    `left` were not, as the time was up; `failures` counts rows (network x proxy) of all networks
    and proxies asked for; `examples` has the proxy and the message of one row of every kind.
    """

    store: Path
    architectures: int
    networks: int
    scored: int
    left: int
    seconds: float
    failures: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)


def run(
    setup: Setup,
    architectures: Sequence[str],
    proxies: Sequence[str],
    store: str | Path,
    *,
    workers: int | None = None,
    ray: str | None = None,
    device: str = "cpu",
    stack: int | None = None,
    retry: bool = False,
    rescore: Sequence[str] = (),
    forgotten: Callable[[], None] = lambda: None,
    limit: float | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Score architectures by proxies and keep the scores in a store; run again to resume.

    Each distinct network is scored once, by one of `workers` processes of one thread. Scores do not
    depend on the number of workers, on their place, on the order, or on what else is asked for.

    Args:
        setup: configuration and batch, from `prepare`.
        architectures: strings of the space; repetitions are scored once.
        proxies: names; counts need no scoring and are skipped.
        store: file to create or to resume.
        workers: number of processes; default 1, and with `ray` one per CPU of the cluster.
        ray: where the processes are: None is here, else the address of a Ray cluster (see
            `zcproxy.runs.ray_pool.RayPool`).
        device: `cpu`, or a GPU such as `cuda` that all workers share. On another device, or in
            other stacks, scores differ in last bits; the store keeps both beside the versions.
        stack: networks side by side; default one on processors, and on a GPU as many as fit.
        retry: score again what failed with a kind in `RETRIED`.
        rescore: proxies whose old scores of these architectures are deleted first, as after a
            change of their files.
        forgotten: called once they are.
        limit: seconds after which the run stops with the next result, none by default. Networks
            come one by one in the order of `zcproxy.sampling`, stacks the most expensive first;
            of a stack only what was told until then is kept.
        progress: called at the beginning and after every network.

    Raises: InputError for an unknown proxy, a bad architecture or address, no workers, or less
        memory than they need; StoreError if the store cannot be used; ZcproxyError if workers do
        not start.
    """
    from zcproxy import spaces

    pool = _pool(setup, workers, ray)
    stacking = wanted(device, stack, ray)
    measured = _measured(proxies)
    space = spaces.get(setup.configuration.space)
    chosen = list(dict.fromkeys(space.canonical(architecture) for architecture in architectures))
    keys = {space.key(architecture) for architecture in chosen}
    begun = time.monotonic()
    with Store.open(store, setup.configuration) as opened:
        opened.request(chosen, proxies)
        old = _outdated(opened, keys, set(rescore), measured if retry else ())
        done = opened.done()
        for network, proxy in old:
            done[network].discard(proxy)
        items = plan(space, chosen, measured, done)
        software, place = versions(), ""
        blueprints = [space.blueprint(item.architecture).live for item in items]
        need = blueprints, setup.configuration.batch_size, measured, workers or 1
        if stacking is not None:
            stacking = stacking.settled(*need)
            pool, place = StackedPool(setup, workers or 1, stacking), stacking.told
            software |= stacking.provenance
        elif isinstance(pool, Pool):
            pool.memory = memory.bound(memory.check(*need))
        opened.forget(old)
        if rescore:
            forgotten()
        tracker = _Tracker(items, len(keys) if measured else 0, progress, place)
        with closing(pool.results(items)) as results:
            for item, rows in results:
                opened.add(rows, software)
                tracker.finished(item, rows)
                if limit is not None and time.monotonic() - begun >= limit:
                    break
        failed = _failed_rows(opened, keys, measured)
    counts = Counter(str(row.failure) for row in failed)
    examples = {str(row.failure): f"{row.proxy}: {row.message}" for row in reversed(failed)}
    return Summary(
        store=Path(store),
        architectures=len(chosen),
        networks=len(keys),
        scored=tracker.scored,
        left=len(items) - tracker.scored,
        seconds=time.monotonic() - begun,
        failures=dict(counts),
        examples={kind: examples[kind] for kind in counts},
    )


def _pool(setup: Setup, workers: int | None, ray: str | None) -> Workers:
    """Workers of this machine, or of a Ray cluster."""
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers cannot score; give 1 or more")
    if ray is None:
        return Pool(setup, workers or 1)
    from zcproxy.runs.ray_pool import RayPool

    return RayPool(setup, ray, workers)


def _outdated(
    store: Store, networks: Container[str], rescore: Container[str], retried: Container[str]
) -> list[tuple[str, str]]:
    """The pairs (network, proxy) to score again: all of some proxies, what failed of others."""
    return [
        (row.network, row.proxy)
        for row in (store.rows() if rescore or retried else ())
        if row.network in networks
        and (row.proxy in rescore or (row.proxy in retried and row.failure in RETRIED))
    ]


def _failed_rows(store: Store, networks: Container[str], proxies: Container[str]) -> list[Row]:
    """The failures among the rows of some networks and proxies."""
    return [
        row
        for row in store.rows()
        if row.failure is not None and row.network in networks and row.proxy in proxies
    ]


def _measured(proxies: Sequence[str]) -> list[str]:
    """The proxies that need a network, each once."""
    from zcproxy.proxies import COUNTS, names, summary

    for proxy in proxies:
        if proxy not in names():
            raise unknown("proxy", proxy, names(), "zcproxy list proxies shows all")
        summary(proxy)  # raises for a file that is no proxy, before anything is scored
    return [proxy for proxy in dict.fromkeys(proxies) if proxy not in COUNTS]


class _Tracker:
    """Turns finished items into Progress; time is shared out by the expected cost of items."""

    def __init__(
        self,
        items: Sequence[Item],
        total: int,
        progress: Callable[[Progress], None] | None,
        place: str = "",
    ) -> None:
        self._tell = progress or (lambda _: None)
        self._place = place
        self._earlier, self._total = total - len(items), total
        self._cost = sum(item.cost for item in items)
        self._spent, self._finished, self._failed = 0.0, 0, 0
        self._begun = time.monotonic()
        self._report()

    @property
    def scored(self) -> int:
        """How many items are finished."""
        return self._finished

    def finished(self, item: Item, rows: Sequence[Row]) -> None:
        """Count one item and tell."""
        self._spent += item.cost
        self._finished += 1
        self._failed += sum(row.failure is not None for row in rows)
        self._report()

    def _report(self) -> None:
        elapsed = time.monotonic() - self._begun
        done = self._earlier + self._finished
        left = self._cost - self._spent if done < self._total else 0.0
        self._tell(
            Progress(
                done=done,
                total=self._total,
                failed=self._failed,
                elapsed=elapsed,
                rate=self._finished / elapsed if self._finished else 0.0,
                remaining=elapsed * left / self._spent if self._finished else None,
                place=self._place,
            )
        )
