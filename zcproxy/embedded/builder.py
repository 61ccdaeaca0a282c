"""Train the networks of the embedded benchmark in worker processes; run again to go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any

from zcproxy import datasets, spaces
from zcproxy.datasets import Images
from zcproxy.embedded.ledger import Ledger, Training
from zcproxy.embedded.plan import SPACE, sample
from zcproxy.errors import InputError, ZcproxyError
from zcproxy.runs.items import Item, versions
from zcproxy.runs.pool import Pool
from zcproxy.runs.telling import Progress, Teller
from zcproxy.store.database import Row
from zcproxy.training import Recipe, train

__all__ = ["RECIPE", "Progress", "build", "description", "retrain", "train_item"]

DATASET = "digits"
RECIPE = Recipe()


def build(
    store: str | Path,
    networks: int,
    seeds: int = 3,
    *,
    workers: int = 1,
    recipe: Recipe = RECIPE,
    progress: Callable[[Progress], None] | None = None,
) -> list[Training]:
    """Train the first networks of the sample, each from seeds 0, 1, ...; keep all in a ledger.

    Every network is trained by one of `workers` processes of one thread; accuracies do not depend
    on their number. A build that is killed loses the trainings in flight; the same call goes on.

    Args:
        store: ledger to create or to continue.
        networks, seeds: how many; other numbers later add to the same ledger.
        workers: number of processes.
        recipe: how to train; a ledger belongs to one recipe, and to one version of torch.
        progress: called at the beginning and after every network.

    Returns: the trainings asked for, sorted by the order of the sample and by seed.
    Raises: InputError for numbers out of range; StoreError if the ledger cannot be used;
        ZcproxyError if a training fails.
    """
    if seeds < 1 or workers < 1:
        raise InputError(f"a build needs seeds and workers, not {seeds} seeds, {workers} workers")
    chosen = sample(networks)
    wanted = {(architecture, seed) for architecture in chosen for seed in range(seeds)}
    with Ledger(store, description(recipe)) as ledger:
        done = {(one.architecture, one.seed) for one in ledger.trainings} & wanted
        tell = Teller(len(done), len(wanted), progress)
        for item, rows in _trained(_items(chosen, seeds, done), recipe, workers):
            for row in rows:
                ledger.add(_training(item, row))
            tell(len(rows))
        place = {architecture: number for number, architecture in enumerate(chosen)}
        here = [one for one in ledger.trainings if (one.architecture, one.seed) in wanted]
    return sorted(here, key=lambda one: (place[one.architecture], one.seed))


def retrain(
    trainings: Sequence[tuple[str, int]], *, workers: int = 1, recipe: Recipe = RECIPE
) -> list[Training]:
    """Train pairs of architecture and seed, whatever was trained before, in any order.

    Raises: ZcproxyError if a training fails.
    """
    items = [_item(architecture, [seed]) for architecture, seed in trainings]
    results = _trained(items, recipe, workers)
    return [_training(item, row) for item, rows in results for row in rows]


def description(recipe: Recipe) -> dict[str, Any]:
    """What all trainings of a ledger share, as plain data."""
    software = versions()
    return {
        "space": SPACE,
        "dataset": DATASET,
        "recipe": recipe.described(),
        "versions": {name: software[name] for name in ("torch", "machine")},
    }


def train_item(item: Item, recipe: Recipe) -> list[Row]:
    """Train one network from every seed of the item; the worker processes call it."""
    images, rows = _images(), []
    for name in item.proxies:
        begun = time.process_time()
        seed = int(name)
        network = spaces.get(SPACE).network(item.architecture, seed=seed, live=True)
        accuracy = train(network, images, recipe, seed)
        seconds = time.process_time() - begun
        rows.append(Row(item.network, name, accuracy, seconds=seconds))
    return rows


@lru_cache(maxsize=1)
def _images() -> Images:
    return datasets.load(DATASET)


def _items(
    architectures: Sequence[str], seeds: int, done: Collection[tuple[str, int]]
) -> list[Item]:
    """One item per network that lacks trainings, in the order of the sample."""
    lacking = {
        architecture: [seed for seed in range(seeds) if (architecture, seed) not in done]
        for architecture in architectures
    }
    return [_item(architecture, missing) for architecture, missing in lacking.items() if missing]


def _item(architecture: str, seeds: Sequence[int]) -> Item:
    """To the pool of workers an accuracy is one more number to measure; its name is the seed."""
    return Item(architecture, architecture, tuple(map(str, seeds)), cost=len(seeds))


def _trained(items: Sequence[Item], recipe: Recipe, workers: int) -> Any:
    with closing(Pool(recipe, workers, train_item).results(items)) as results:
        yield from results


def _training(item: Item, row: Row) -> Training:
    if row.value is None:
        raise ZcproxyError(f"training of {item.architecture} failed: {row.failure}: {row.message}")
    return Training(item.architecture, int(row.proxy), row.value, round(row.seconds, 3))
