"""Proxies: one number per network, higher = predicted better. One file each, named as the proxy."""

from __future__ import annotations

from zcproxy import catalogue

__all__ = ["COUNTS", "names", "summary"]

COUNTS = ("params", "flops", "live_params")
"""Proxies that a space counts exactly from an architecture, without a network."""


def names() -> list[str]:
    """Names of all proxies, sorted."""
    return list(catalogue.names(__path__))


def summary(name: str) -> str:
    """One sentence on a proxy."""
    return catalogue.summary(__name__, name)
