"""Allocation: how many weights every layer keeps, in exact whole numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from zcproxy.errors import InputError

__all__ = ["apportion", "erk_shares", "floors", "nearest"]


def nearest(value: Fraction) -> int:
    """The nearest whole number; of two, the larger.

    >>> nearest(Fraction(5, 2)), nearest(Fraction(9, 10) * 10)
    (3, 9)
    """
    return math.floor(value + Fraction(1, 2))


def erk_shares(shapes: Sequence[tuple[int, ...]]) -> list[int]:
    r"""What a layer's number of kept weights is proportional to under ERK: its summed sizes.

    .. math:: \text{density} \propto \frac{n_{out} + n_{in} + k_h + k_w}{n_{out} n_{in} k_h k_w}

    Source: Evci et al., RigL, ICML 2020, arXiv:1911.11134, section 3; without the kernel
    Mocanu et al., arXiv:1707.04780.
    """
    return [sum(shape) for shape in shapes]


def floors(floor: int | float, sizes: Sequence[int]) -> list[int]:
    """The least number of weights each layer keeps: a count, or a fraction of the layer.

    Args:
        floor: an int is a number of weights (a smaller layer keeps all it has), a float a
            fraction of the layer in [0, 1], rounded up.
        sizes: number of weights of each layer.

    Raises:
        InputError: neither a count nor a fraction.
    """
    if isinstance(floor, bool) or not isinstance(floor, int | float):
        raise InputError(f"floor must be a number of weights or a fraction, not {floor!r}")
    if isinstance(floor, int):
        if floor < 0:
            raise InputError(f"floor must not be negative, it is {floor}")
        return [min(floor, size) for size in sizes]
    if not 0 <= floor <= 1:
        raise InputError(
            f"floor is {floor}: a fraction must be in [0, 1]; give an int for a number of weights"
        )
    return [math.ceil(Fraction(str(floor)) * size) for size in sizes]


def apportion(
    total: int, shares: Sequence[int], least: Sequence[int], most: Sequence[int]
) -> list[int]:
    """Divide a total in proportion to shares, each part between its bounds, in whole numbers.

    Every part is t * share, moved into its bounds, with the t that makes the sum right. What
    rounding down leaves goes to the largest remainders; of equal ones, to the first.

    Args:
        total: what the parts sum to, between the sums of the bounds.
        shares: positive whole numbers.
        least: lower bounds.
        most: upper bounds, none below the lower bound.

    Raises:
        InputError: the bounds leave no solution.
    """
    if not sum(least) <= total <= sum(most):
        raise InputError(
            f"{total} weights cannot be divided: the layers must keep at least {sum(least)} and "
            f"can keep at most {sum(most)}; change the sparsity, the floor or what is protected"
        )

    def parts(scale: Fraction) -> list[Fraction]:
        bounds = zip(shares, least, most, strict=True)
        return [min(Fraction(high), max(Fraction(low), scale * s)) for s, low, high in bounds]

    exact = parts(_scale(total, shares, least, most))
    whole = [math.floor(part) for part in exact]
    order = sorted(range(len(whole)), key=lambda i: (whole[i] - exact[i], i))
    for i in order[: total - sum(whole)]:
        whole[i] += 1
    return whole


def _scale(
    total: int, shares: Sequence[int], least: Sequence[int], most: Sequence[int]
) -> Fraction:
    """The t for which the parts, each between its bounds, sum to the total."""
    turns = {Fraction(bound, s) for b in (least, most) for bound, s in zip(b, shares, strict=True)}
    low = Fraction(0)
    for high in sorted(turns):
        fixed, slope = 0, 0
        for share, floor, cap in zip(shares, least, most, strict=True):
            if Fraction(floor, share) >= high:
                fixed += floor
            elif Fraction(cap, share) <= low:
                fixed += cap
            else:
                slope += share
        if fixed + slope * high >= total:
            return Fraction(total - fixed, slope) if slope else high
        low = high
    return low
