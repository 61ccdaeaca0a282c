"""Search spaces: architecture strings in, blueprints out. Nothing here needs torch."""

from __future__ import annotations

from zcproxy.errors import unknown
from zcproxy.spaces.nasbench201 import NASBench201

__all__ = ["NASBench201", "get", "names"]

_SPACES = {
    "nasbench201": NASBench201(name="nasbench201"),
    "digits201": NASBench201(
        name="digits201", channels=8, cells=2, in_channels=1, image=8, dataset="digits"
    ),
}


def names() -> list[str]:
    """Names of all spaces, sorted."""
    return sorted(_SPACES)


def get(name: str) -> NASBench201:
    """The space called `name`; raises InputError with the nearest name if there is none."""
    if not isinstance(name, str) or name not in _SPACES:
        raise unknown("space", name, _SPACES, "zcproxy list spaces shows all")
    return _SPACES[name]
