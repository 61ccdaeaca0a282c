"""Where data files are looked for and written: `$ZCPROXY_DATA`, then the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["VARIABLE", "cache", "home", "roots"]

VARIABLE = "ZCPROXY_DATA"


def cache() -> Path:
    """The user's cache folder of zcproxy (it need not exist yet)."""
    return Path(platformdirs.user_cache_dir("zcproxy", appauthor=False))


def home() -> Path:
    """The folder new data files are written to: `$ZCPROXY_DATA` if set, else the cache folder."""
    return roots()[0]


def roots() -> list[Path]:
    """The folders searched for data files, first match wins."""
    named = os.environ.get(VARIABLE, "")
    return [Path(named).expanduser(), cache()] if named else [cache()]
