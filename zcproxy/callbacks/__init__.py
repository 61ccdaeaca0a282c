"""Masks for those who train elsewhere: callbacks of Lightning and of Hugging Face's Trainer.

Each is loaded when it is first used and needs its library: `pip install 'zcproxy[lightning]'`,
`pip install 'zcproxy[transformers]'`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zcproxy.callbacks.lightning import LightningMask
    from zcproxy.callbacks.transformers import TransformersMask

__all__ = ["LightningMask", "TransformersMask"]

_HOMES = {"LightningMask": "lightning", "TransformersMask": "transformers"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zcproxy.callbacks' has no attribute '{name}'")
    return getattr(importlib.import_module(f"zcproxy.callbacks.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
