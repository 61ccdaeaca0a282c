"""What a worker on a Ray cluster does: make sure it computes what the driver would, then score."""

from __future__ import annotations

import gc
import pickle
import platform
from functools import cache
from typing import TYPE_CHECKING

from zcproxy.errors import ZcproxyError
from zcproxy.runs.items import versions

if TYPE_CHECKING:
    from zcproxy.runs.items import Item
    from zcproxy.store.database import Row

__all__ = ["score_remotely"]


def score_remotely(item: Item, job: bytes, wanted: dict[str, str]) -> list[Row]:
    """Score one item in this process.

    Args:
        item: what to score.
        job: pickled pair of what to call and what all items share.
        wanted: the driver's `versions`.

    Raises: ZcproxyError if this process runs other software.
    """
    _check(wanted)
    _settle()
    gc.collect()  # of the item before
    score, setup = pickle.loads(job)
    rows: list[Row] = score(item, setup)
    return rows


def _check(wanted: dict[str, str]) -> None:
    found = versions()
    differences = [
        f"{name} {found.get(name)}, not {value}"
        for name, value in wanted.items()
        if found.get(name) != value
    ]
    if differences:
        raise ZcproxyError(
            f"node {platform.node()} has {'; '.join(differences)}, so its scores may have other "
            "last bits; install on all nodes what the driver has"
        )


@cache
def _settle() -> None:
    """Once per process: one thread, and no search for garbage but between items."""
    import torch

    torch.set_num_threads(1)
    gc.freeze()
    gc.disable()
