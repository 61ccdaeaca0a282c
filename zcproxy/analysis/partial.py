"""Partial rank correlation: what a proxy knows beyond the baseline."""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from zcproxy.analysis.agreement import orderable
from zcproxy.analysis.ranks import Ints, centered_ranks, dense_codes, inner
from zcproxy.errors import MeasureError

__all__ = ["partial_spearman"]


def partial_spearman(scores: ArrayLike, accuracies: ArrayLike, given: ArrayLike) -> float:
    """Spearman's correlation of scores and accuracies with the baseline's part taken out.

    With x, y, z the average ranks of `scores`, `accuracies` and `given` (each (n,) without nan),
    the Pearson correlation of the residuals of x and of y in their least-squares fits on z (with
    intercept), which equals

        (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2)(1 - r_yz^2))

    for Spearman's r. Computed from exact integer sums of products of ranks, so that a ranking
    that the baseline fixes entirely is recognized as such.

    Raises InputError for nan or unequal lengths, and MeasureError('degenerate') where an input is
    constant or one of x, y is a linear function of z: its residual is zero and orders nothing.
    """
    x, y = orderable(scores, accuracies)
    _, z = orderable(scores, given)
    a, b, c = (centered_ranks(dense_codes(side)) for side in (x, y, z))
    left, right = residual_square(a, c), residual_square(b, c)
    for square, name in ((left, "scores"), (right, "accuracies")):
        if square == 0:
            raise MeasureError(
                "degenerate", f"the {name} rank the architectures exactly as the baseline does"
            )
    joint = inner(a, b) * inner(c, c) - inner(a, c) * inner(b, c)
    return joint / math.sqrt(left * right)


def residual_square(a: Ints, c: Ints) -> int:
    """|a|^2 |c|^2 - (a.c)^2: the square of a's residual on c, times |c|^2; an exact integer."""
    return inner(a, a) * inner(c, c) - inner(a, c) ** 2
