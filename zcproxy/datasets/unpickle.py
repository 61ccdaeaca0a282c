"""Opening the official CIFAR pickles without letting them run code.

A pickle may call any importable function while it is read. The CIFAR files need nothing but dicts,
lists, strings, bytes and numpy arrays, so exactly the constructors of numpy arrays are admitted.
"""

from __future__ import annotations

import codecs
import io
import pickle
from typing import Any

import numpy as np

from zcproxy.errors import DataError

__all__ = ["unpickle"]


def _latin1(text: str, encoding: str) -> bytes:
    """What protocol 2 pickles made by Python 3 call to turn a string into bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"encoding {encoding!r} is not admitted")
    return codecs.latin_1_encode(text)[0]


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
}
# How numpy pickles an array: protocol 4 and below, then protocol 5.
_RECONSTRUCT = np.empty(0).__reduce__()[0]
_FROMBUFFER = np.empty(0).__reduce_ex__(5)[0]
for _core in ("numpy.core", "numpy._core"):  # the first is numpy 1's name
    _ADMITTED[f"{_core}.multiarray", "_reconstruct"] = _RECONSTRUCT
    _ADMITTED[f"{_core}.numeric", "_frombuffer"] = _FROMBUFFER


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ADMITTED[module, name]


def unpickle(content: bytes, where: str) -> dict[str, Any]:
    """The dictionary in a pickle, keys as str; `where` names the file in errors.

    Raises: DataError if the pickle is damaged, is no dictionary, or asks for more than arrays.
    """
    try:
        loaded = _Restricted(io.BytesIO(content), encoding="bytes").load()
    except Exception as problem:  # a damaged pickle may raise anything
        raise DataError(
            f"{where} is not a whole CIFAR pickle ({problem}); get it again: "
            "zcproxy data fetch cifar10 (or cifar100)"
        ) from problem
    if not isinstance(loaded, dict):
        raise DataError(f"{where} holds a {type(loaded).__name__}, not a CIFAR dictionary")
    return {key.decode() if isinstance(key, bytes) else str(key): loaded[key] for key in loaded}
