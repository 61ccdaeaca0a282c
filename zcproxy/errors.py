"""The exceptions zcproxy raises, and the one way a wrong name is answered."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "DataError",
    "InputError",
    "InterruptedRun",
    "MeasureError",
    "StoreError",
    "ZcproxyError",
    "unknown",
]


class ZcproxyError(Exception):
    """Base of everything zcproxy raises on purpose; its text says what to do."""


class InputError(ZcproxyError, ValueError):
    """An argument is wrong: an unknown name, a bad architecture string, a mismatched shape."""


class DataError(ZcproxyError):
    """A data file is missing, damaged or not what it claims to be."""


class InterruptedRun(ZcproxyError):
    """The user stopped a run; the text says what is kept and how to go on."""


class StoreError(ZcproxyError):
    """A store of scores cannot be read or written."""


class MeasureError(ZcproxyError):
    """A measure has no value on this network.

    `kind` is one word for tables: `not_applicable`, `disconnected`, `degenerate`, `overflow`,
    `nonfinite` or `error`.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def unknown(what: str, name: str, choices: Iterable[str], hint: str = "") -> InputError:
    """The error for a name that is not among `choices`, with the nearest ones.

    >>> str(unknown("proxy", "snipp", ["snip", "synflow"], "zcproxy list proxies shows all"))
    "no proxy named 'snipp'; did you mean 'snip'? (zcproxy list proxies shows all)"
    """
    known = list(choices)
    near = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(sorted(known))}"
    return InputError(f"no {what} named '{name}'; {advice}" + (f" ({hint})" if hint else ""))
