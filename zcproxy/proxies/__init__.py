"""Proxies: one number per network, higher = predicted better. One file each, named as the proxy."""

from __future__ import annotations

from zcproxy import catalogue

__all__ = ["COUNTS", "DEAR", "cheap", "names", "summary", "without_batch"]

COUNTS = ("params", "flops", "live_params", "live_convs", "depth")
"""Proxies that a space counts exactly from an architecture, without a network."""

DEAR = ("grad_sign", "grasp", "ntk_condition", "vkdnw", "zico")
"""Proxies with passes of their own: each costs a third of all the others together, or more."""


def cheap() -> list[str]:
    """Names of all proxies but the dear ones, sorted."""
    return [name for name in names() if name not in DEAR]


def names() -> list[str]:
    """Names of all proxies, sorted."""
    return list(catalogue.names(__path__))


def without_batch() -> list[str]:
    """Names of the proxies that see no image and no label, only the shape of images, sorted."""
    return [name for name in names() if not catalogue.uses_batch(__name__, name)]


def summary(name: str) -> str:
    """One sentence on a proxy."""
    return catalogue.summary(__name__, name)
