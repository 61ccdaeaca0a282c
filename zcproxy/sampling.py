"""The random order in which runs take architectures, and the sample that a stopped run has scored.

A run scores the networks of architectures in this order and gives each score to all architectures
of the network. So those up to the first one that is not scored are drawn at random; the others that
happen to be scored are not: they are equal to one of the sample. This holds for runs one by one;
files do not tell their order, and of a run in another one (stacks, older versions) too few are in
front to be taken for a sample, unless hardly anything is missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable
from itertools import takewhile

__all__ = ["FEWEST", "beginning", "place"]

FEWEST = 300
"""Architectures of a sample that is compared with published numbers."""


def place(architecture: str) -> bytes:
    """What architectures are ordered by: a hash, whatever else is asked for."""
    return hashlib.sha256(architecture.encode()).digest()


def beginning(architectures: Iterable[str], scored: Container[str]) -> list[str]:
    """Those before the first one that is not scored, in the order of runs."""
    return list(takewhile(scored.__contains__, sorted(architectures, key=place)))
