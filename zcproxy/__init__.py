"""zcproxy: score untrained networks, and say how well the scores predict trained accuracy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zcproxy.errors import ZcproxyError
    from zcproxy.pruning import prune
    from zcproxy.scoring import saliency, score
    from zcproxy.spaces import get as space
    from zcproxy.tables import load as table

__all__ = ["ZcproxyError", "__version__", "prune", "saliency", "score", "space", "table"]
__version__ = "0.1.0"

_HOMES = {
    "ZcproxyError": ("zcproxy.errors", "ZcproxyError"),
    "prune": ("zcproxy.pruning", "prune"),
    "saliency": ("zcproxy.scoring", "saliency"),
    "score": ("zcproxy.scoring", "score"),
    "space": ("zcproxy.spaces", "get"),
    "table": ("zcproxy.tables", "load"),
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that listing things needs no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'zcproxy' has no attribute '{name}'")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
