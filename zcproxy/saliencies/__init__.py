"""Saliencies: one number per weight, higher = keep. One file each; the file's name is its name."""

from __future__ import annotations

from zcproxy import catalogue

__all__ = ["NAMES"]

NAMES = catalogue.names(__path__)
