"""Blueprints become untrained networks here."""

from zcproxy.networks.cells import CellNetwork

__all__ = ["CellNetwork"]
