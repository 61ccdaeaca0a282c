"""Checks of arguments that have no other home: whole numbers, and seeds."""

from __future__ import annotations

import operator

from zcproxy.errors import InputError, kind_of

__all__ = ["check_seed", "whole"]


def whole(what: str, value: int, least: int) -> int:
    """A whole number of at least `least` as an int; raises InputError for anything else."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{what} must be a whole number, not {kind_of(value)}") from None
    if number < least:
        raise InputError(f"{what} must be at least {least}, not {number}")
    return number


def check_seed(seed: int) -> int:
    """The seed as an int; raises InputError for what random states cannot be seeded with."""
    number = whole("seed", seed, -(2**63))
    if number >= 2**64:
        raise InputError(f"seed must be below 2**64, not {number}")
    return number
