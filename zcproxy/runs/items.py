"""Work items: one distinct network each, scored alone, so order and place do not matter."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zcproxy.configuration import Configuration
from zcproxy.errors import InputError, MeasureError, is_shortage
from zcproxy.kinds import ERROR, MEMORY
from zcproxy.sampling import place
from zcproxy.store.database import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zcproxy.datasets import Batch
    from zcproxy.scoring import Result
    from zcproxy.spaces import NASBench201

__all__ = [
    "Item",
    "Setup",
    "batch_of",
    "measured_rows",
    "plan",
    "prepare",
    "score_item",
    "versions",
]

ARTIFICIAL = ("noise", "ones")
"""Data sets that are made in the image shape of the space."""

FIXED_COST, FLOPS_COST = 0.15, 2.75
"""Costs of an empty cell and of the FLOPs of the largest network, in operations of a cell.

Fitted once to the times of 22 networks; only the ETA and who shares a stack depend on them.
`zcproxy.runs.cost` predicts seconds.
"""


@dataclass(frozen=True)
class Item:
    """A network to score.

    Attributes:
        network: its key in the space.
        architecture: one of its strings.
        proxies: what is still to be measured.
        cost: expected computing time, in any unit that all items share.
    """

    network: str
    architecture: str
    proxies: tuple[str, ...]
    cost: float


@dataclass(frozen=True)
class Setup:
    """What all items share: the configuration, and the batch as arrays (N, C, H, W) and (N,)."""

    configuration: Configuration
    inputs: NDArray[np.float32]
    targets: NDArray[np.int64]


def prepare(
    space: str,
    dataset: str,
    *,
    batch_size: int | None = None,
    batch_seed: int = 0,
    seed: int = 0,
    protocol: str = "clean",
) -> Setup:
    """Load the batch, or draw it where the protocol says noise, and fix a run's configuration.

    Without `batch_size`, the protocol's.

    Raises: InputError for an unknown space, data set or protocol, for images the space's networks
        cannot take, and for ones under a protocol of noise; DataError if the data set is not here.
    """
    from zcproxy import datasets, protocols, spaces

    how = protocols.get(protocol)
    batch_size = how.batch_size if batch_size is None else batch_size
    known = spaces.get(space)
    blueprint = known.blueprint(known.architectures()[0])
    shape = (blueprint.in_channels, blueprint.image, blueprint.image)
    if how.inputs == protocols.NOISE and dataset == "ones":
        raise InputError(f"the protocol {protocol} draws noise; choose another data set than ones")
    if dataset in ARTIFICIAL:
        batch = datasets.batch(dataset, batch_size, batch_seed, shape=shape)
    else:
        shape = datasets.shape(dataset)
        _check_channels(space, blueprint.in_channels, dataset, shape[0])
        batch = batch_of(dataset, protocol, batch_size, batch_seed)
    configuration = Configuration(
        space=space,
        dataset=batch.name,
        batch_sha256=batch.sha256,
        shape=shape,
        classes=batch.classes,
        batch_size=batch_size,
        batch_seed=batch_seed,
        seed=seed,
        protocol=protocol,
        protocol_revision=how.revision,
    )
    return Setup(configuration, batch.inputs.numpy(), batch.targets.numpy())


def batch_of(
    dataset: str, protocol: str, batch_size: int | None = None, batch_seed: int = 0
) -> Batch:
    """The batch that a protocol takes of a data set: images, or noise in their place.

    Raises: InputError, DataError as `datasets.batch`.
    """
    from zcproxy import datasets, protocols

    how = protocols.get(protocol)
    size = how.batch_size if batch_size is None else batch_size
    if how.inputs == protocols.NOISE and dataset not in ARTIFICIAL:
        return datasets.noise_like(dataset, size, batch_seed)
    return datasets.batch(dataset, size, batch_seed)


def _check_channels(space: str, wanted: int, dataset: str, channels: int) -> None:
    if wanted != channels:
        raise InputError(
            f"networks of {space} take images of {wanted} channels, those of {dataset} have "
            f"{channels}; choose another data set or space"
        )


def plan(
    space: NASBench201,
    architectures: Sequence[str],
    proxies: Sequence[str],
    done: Mapping[str, set[str]],
) -> list[Item]:
    """The items still to be scored, one per distinct network.

    In the order of `zcproxy.sampling` of their first architecture: of a run that is stopped, the
    architectures up to the first one that is not scored are a random sample of all.
    """
    networks: dict[str, str] = {}
    for architecture in sorted(architectures, key=place, reverse=True):
        networks[space.key(architecture)] = architecture
    blueprints = {key: space.blueprint(a) for key, a in networks.items()}
    largest = max((b.live_flops for b in blueprints.values()), default=0) or 1
    items = []
    for key, architecture in networks.items():
        missing = tuple(proxy for proxy in proxies if proxy not in done.get(key, ()))
        if missing:
            flops = blueprints[key].live_flops / largest
            cost = FIXED_COST + len(blueprints[key].cell.operations) + FLOPS_COST * flops
            items.append(Item(key, architecture, missing, cost))
    return sorted(items, key=lambda item: place(item.architecture))


def score_item(item: Item, setup: Setup, device: str = "cpu") -> list[Row]:
    """Build the network, measure it, and give one row per proxy; what goes wrong is a row too."""
    import torch

    from zcproxy import protocols, scoring, spaces

    settings = setup.configuration
    try:
        network = spaces.get(settings.space).network(
            item.architecture,
            classes=settings.classes,
            seed=settings.seed,
            live=True,
            initialization=protocols.get(settings.protocol).initialization,
        )
        results = scoring.measure(
            network.to(device),
            torch.from_numpy(setup.inputs).to(device),
            torch.from_numpy(setup.targets).to(device),
            item.proxies,
            settings.protocol,
            settings.seed,
        )
    except MeasureError as error:
        return failures(item, error.kind, str(error))
    except Exception as error:
        kind = MEMORY if is_shortage(error) else ERROR
        return failures(item, kind, f"{type(error).__name__}: {error}")
    return measured_rows(item, results)


def measured_rows(item: Item, results: Mapping[str, Result]) -> list[Row]:
    """One row per proxy of what was measured on a network."""
    rows = []
    for proxy in item.proxies:
        result = results[proxy]
        value = None if result.value is None else float(result.value)
        rows.append(Row(item.network, proxy, value, result.failure, result.message, result.seconds))
    return rows


def failures(item: Item, kind: str, message: str) -> list[Row]:
    """The rows of a network of which nothing could be measured."""
    return [Row(item.network, proxy, None, kind, message) for proxy in item.proxies]


def versions() -> dict[str, str]:
    """The software whose change may change the last bits of a score."""
    import torch

    import zcproxy

    return {
        "zcproxy": zcproxy.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
