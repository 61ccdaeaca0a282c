"""The exceptions zcproxy raises, and the one way wrong names and foreign errors are told."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "DataError",
    "InputError",
    "InterruptedRun",
    "MaskError",
    "MeasureError",
    "StoreError",
    "ZcproxyError",
    "is_shortage",
    "kind_of",
    "reason",
    "unknown",
]

_SHORTAGE = ("can't allocate memory", "out of memory")
"""What torch says of a processor's and of a GPU's memory."""


class ZcproxyError(Exception):
    """Base of everything zcproxy raises on purpose; its text says what to do."""


class InputError(ZcproxyError, ValueError):
    """An argument is wrong: an unknown name, a bad architecture string, a mismatched shape."""


class DataError(ZcproxyError):
    """A data file is missing, damaged or not what it claims to be."""


class InterruptedRun(ZcproxyError):
    """The user stopped a run; the text says what is kept and how to go on."""


class MaskError(ZcproxyError):
    """Pruned weights are not zero."""


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


def kind_of(value: object) -> str:
    """What something of the wrong type is, in a message: None, or the name of its type."""
    return "None" if value is None else type(value).__name__


def is_shortage(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is that memory could not be had."""
    while error is not None:
        if isinstance(error, MemoryError) or any(sign in str(error) for sign in _SHORTAGE):
            return True
        error = error.__cause__
    return False


def reason(error: BaseException) -> str:
    r"""Type and first line of an exception of someone else's code.

    >>> reason(KeyError("layer")), reason(NotImplementedError()), reason(ValueError("a\nb"))
    ("KeyError: 'layer'", 'NotImplementedError', 'ValueError: a')
    """
    line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def unknown(what: str, name: object, choices: Iterable[str], hint: str = "") -> InputError:
    """The error for a name that is not among `choices`, with the nearest ones.

    >>> str(unknown("proxy", "snipp", ["snip", "synflow"], "zcproxy list proxies shows all"))
    "no proxy named 'snipp'; did you mean 'snip'? (zcproxy list proxies shows all)"
    """
    known = list(choices)
    if not isinstance(name, str):
        example = f", such as '{known[0]}'," if known else ","
        text = f"a {what} is named by a string{example} not {kind_of(name)}"
        return InputError(text + (f" ({hint})" if hint else ""))
    near = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(sorted(known))}"
    return InputError(f"no {what} named '{name}'; {advice}" + (f" ({hint})" if hint else ""))
