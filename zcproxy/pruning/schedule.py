"""Schedules: which density every round of pruning ends with."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from zcproxy.errors import InputError, unknown

__all__ = ["SCHEDULES", "densities"]

_Curve = Callable[[float, float, float], float]


def _exponential(start: float, end: float, done: float) -> float:
    return float(start * (end / start) ** done)


def _linear(start: float, end: float, done: float) -> float:
    return start + (end - start) * done


def _cubic(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 - done) ** 3


_CURVES: dict[str, _Curve] = {
    "exponential": _exponential,
    "linear": _linear,
    "cubic": _cubic,
}
SCHEDULES = tuple(_CURVES)
"""Names of the schedules."""


def densities(start: Fraction, end: Fraction, rounds: int, schedule: str) -> list[Fraction]:
    r"""The density after every round; never rising, and the last exactly `end`.

    With :math:`t = (k + 1) / n` after round k of n, from density a to density b:

    .. math:: \text{exponential } a (b/a)^t, \quad \text{linear } a + (b - a) t, \quad
              \text{cubic } b + (a - b) (1 - t)^3

    Args:
        start: density before the first round, 1 unless something is pruned already.
        end: density after the last round, in (0, start].
        rounds: number of rounds, at least 1.
        schedule: one of `SCHEDULES`; with a single round they are all the same.

    Raises:
        InputError: no such schedule, or no rounds.

    Source: exponential Tanaka et al., SynFlow, arXiv:2006.05467, algorithm 1; cubic Zhu and Gupta,
    arXiv:1710.01878, equation 1.
    """
    if schedule not in _CURVES:
        raise unknown("schedule", schedule, SCHEDULES)
    if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1:
        raise InputError(f"rounds must be a whole number of at least 1, not {rounds!r}")
    curve = _CURVES[schedule]
    a, b = float(start), float(end)
    before = [Fraction(curve(a, b, (k + 1) / rounds)) for k in range(rounds - 1)]
    return [*(min(start, max(end, d)) for d in before), end]
