"""The official files of every data set that has any, wherever they lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zcproxy.datasets import cifar, idx
from zcproxy.datasets.pixels import Source

__all__ = ["NAMES", "paths", "sources"]

NAMES = (*cifar.FORMS, "mnist")


def sources(dataset: str, folder: Path) -> Iterator[Source]:
    """The official forms of `dataset` that lie in `folder`."""
    return idx.sources(folder) if dataset == "mnist" else cifar.sources(dataset, folder)


def paths(dataset: str, folder: Path) -> Iterator[Path]:
    """Files and folders in `folder` that are official forms of `dataset`."""
    if dataset == "mnist":
        places = (folder, folder / "raw", folder / "MNIST" / "raw")
        yield from (place for place in places if idx.files(place) is not None)
        return
    forms = cifar.FORMS[dataset]
    candidates = [folder / form.folder for form in forms] + [folder / form.tar for form in forms]
    if folder.name in {form.folder for form in forms}:
        candidates.insert(0, folder)
    yield from (path for path in candidates if path.exists())
