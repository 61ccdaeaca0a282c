"""How numbers are written for people: in tables on the screen, in reports, in pictures."""

from __future__ import annotations

import math
import re

__all__ = ["compact", "count", "decimal", "estimate", "missing"]

NONE = "–"


def missing(value: object) -> bool:
    """True for None, nan and pandas' <NA>."""
    return (
        value is None or repr(value) == "<NA>" or (isinstance(value, float) and math.isnan(value))
    )


def decimal(value: object, digits: int = 3) -> str:
    """A number with so many decimals, a dash where there is none.

    >>> decimal(-0.36749), decimal(None)
    ('-0.367', '–')
    """
    return NONE if missing(value) else f"{float(str(value)):.{digits}f}"


def estimate(value: object, low: object, high: object, digits: int = 3) -> str:
    """A number with its interval.

    >>> estimate(0.7371, 0.729, 0.7454)
    '0.737 [0.729, 0.745]'
    """
    text = decimal(value, digits)
    if missing(low) or missing(high):
        return text
    return f"{text} [{decimal(low, digits)}, {decimal(high, digits)}]"


def compact(text: str) -> str:
    """Without the zeros before decimal points, as tables of correlations are set.

    >>> compact("-0.352 [-0.368, 10.33]")
    '-.352 [-.368, 10.33]'
    """
    return re.sub(r"(?<!\d)0\.", ".", text)


def count(value: object) -> str:
    """A whole number with commas.

    >>> count(15625)
    '15,625'
    """
    return NONE if missing(value) else f"{int(str(value)):,}"
