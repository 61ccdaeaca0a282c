"""Budgets: a density asked for, in weights, parameters or multiply-adds, as exact numbers."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import SupportsFloat

from zcproxy.errors import InputError

__all__ = ["BUDGETS", "density_asked", "density_of_weights", "exact"]

BUDGETS = ("weights", "params", "flops")
"""What a density is a fraction of: prunable weights, all parameters, or their multiply-adds."""


def exact(value: SupportsFloat | Fraction) -> Fraction:
    """A number as its shortest decimal says, so that .9 is nine tenths and not a bit less."""
    if isinstance(value, Fraction):
        return value
    if isinstance(value, int):
        return Fraction(value)
    return Fraction(repr(float(value)))


def density_asked(
    sparsity: SupportsFloat | Fraction | None, density: SupportsFloat | Fraction | None
) -> Fraction:
    """The density that a caller asks for by exactly one of two numbers.

    Raises:
        InputError: none or both are given, or it is no fraction that leaves something.
    """
    if (sparsity is None) == (density is None):
        raise InputError(
            "give either sparsity (the fraction removed) or density (the fraction kept), "
            "such as sparsity=0.95"
        )
    name, value = ("density", density) if sparsity is None else ("sparsity", sparsity)
    try:
        number = exact(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, not {value!r}") from None
    kept = number if name == "density" else 1 - number
    if not 0 < kept <= 1:
        allowed = "above 0 and at most 1" if name == "density" else "at least 0 and below 1"
        raise InputError(
            f"{name} is a fraction, {allowed}; it is {value}"
            + (f" (for {value} percent give {float(number) / 100})" if 1 < number < 100 else "")
        )
    return kept


def density_of_weights(density: Fraction, budget: str, weights: int, params: int) -> Fraction:
    """The density of prunable weights that gives a density of all parameters.

    Args:
        density: of what the budget counts.
        budget: "weights" or "params".
        weights: number of prunable weights.
        params: number of all parameters.

    Raises:
        InputError: what cannot be pruned is more than the budget.
    """
    if budget == "weights":
        return density
    target = math.floor(density * params + Fraction(1, 2)) - (params - weights)
    if target < 1:
        raise InputError(
            f"{params - weights} of {params} parameters cannot be pruned (biases, normalizations, "
            f"embeddings), which leaves nothing for weights at a density of {float(density):g}; "
            "ask for a higher density or use budget='weights'"
        )
    return Fraction(target, weights)
