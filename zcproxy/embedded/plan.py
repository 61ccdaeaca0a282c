"""Which networks the embedded benchmark trains: a random sample that no accuracy has a part in."""

from __future__ import annotations

import random
from functools import cache

from zcproxy import spaces
from zcproxy.errors import InputError

__all__ = ["SPACE", "representatives", "sample"]

SPACE = "digits201"
SHUFFLE = 201
"""Seed of the order in which networks are trained."""


@cache
def representatives() -> tuple[str, ...]:
    """One architecture for every connected distinct network, in the order of their training.

    A network's architecture is the one among its strings with the fewest parameters, hence without
    dead operations wherever there is such a string; the official index decides between equals. The
    order is random and the same everywhere, so every beginning of it is a uniform sample.
    """
    space = spaces.get(SPACE)
    best: dict[str, tuple[int, int, str]] = {}
    for index, architecture in enumerate(space.architectures()):
        blueprint = space.blueprint(architecture)
        candidate = (blueprint.params, index, architecture)
        if blueprint.connected:
            key = space.key(architecture)
            best[key] = min(candidate, best.get(key, candidate))
    chosen = [architecture for _, _, architecture in sorted(best.values(), key=lambda it: it[1])]
    random.Random(SHUFFLE).shuffle(chosen)
    return tuple(chosen)


def sample(networks: int) -> list[str]:
    """Architectures of the first so many networks; raises InputError if there are not so many."""
    everything = representatives()
    if not 1 <= networks <= len(everything):
        raise InputError(
            f"{SPACE} has {len(everything):,} connected distinct networks; "
            f"cannot train {networks:,} of them"
        )
    return list(everything[:networks])
