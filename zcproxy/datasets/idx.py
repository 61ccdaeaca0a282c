"""The official files of MNIST: four files in the IDX format, as they are or gzipped.

Format: big-endian; two zero bytes, the type (8 for unsigned bytes), the number of dimensions, every
dimension as a 32-bit number, then the bytes. Source: http://yann.lecun.com/exdb/mnist/.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zcproxy.datasets.pixels import Part, Pixels, Source, checked
from zcproxy.errors import DataError

__all__ = ["count", "files", "sources"]

NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
SIZES = {"train": 60_000, "test": 10_000}
CLASSES = 10


def sources(folder: Path) -> Iterator[Source]:
    """The official files in `folder`, its `raw` or its `MNIST/raw`, where all four are there."""
    for place in (folder, folder / "raw", folder / "MNIST" / "raw"):
        found = files(place)
        if found is not None:
            train, test = (Part(0, SIZES[p], partial(_read, *found[p])) for p in NAMES)
            yield Source(f"{place.name} (IDX files)", (train,), (test,))


def files(folder: Path) -> dict[str, tuple[Path, Path]] | None:
    """Images and labels of `train` and `test` in a folder, or None if one of the four is not."""
    found = {}
    for part, names in NAMES.items():
        paths = [path for name in names if (path := _file(folder, name)) is not None]
        if len(paths) < len(names):
            return None
        found[part] = (paths[0], paths[1])
    return found


def count(path: Path) -> int:
    """Number of images or labels a file says it has."""
    return int(_header(_content(path, 16), path)[0])


def _file(folder: Path, name: str) -> Path | None:
    """A file under its own name, with a dot before `idx` as some unpackers write, or gzipped."""
    for variant in (name, name.replace("-idx", ".idx"), f"{name}.gz"):
        if (folder / variant).is_file():
            return folder / variant
    return None


def _read(images: Path, labels: Path) -> Pixels:
    pixels, kinds = _array(images, 3), _array(labels, 1)
    positions = np.arange(len(pixels), dtype=np.int64)
    return checked(pixels[:, None], kinds.astype(np.int64), positions, CLASSES, str(images.parent))


def _array(path: Path, dimensions: int) -> NDArray[np.uint8]:
    content = _content(path)
    shape = _header(content, path)
    start = 4 + 4 * len(shape)
    if len(shape) != dimensions or len(content) - start != int(np.prod(shape)):
        raise DataError(
            f"{path} is truncated or not a file of MNIST: {len(content)} bytes for {shape}; "
            "get it again: zcproxy data fetch mnist"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _header(content: bytes, path: Path) -> tuple[int, ...]:
    dimensions = content[3] if len(content) > 3 else 0
    if content[:3] != b"\0\0\x08" or not dimensions or len(content) < 4 + 4 * dimensions:
        raise DataError(f"{path} is no IDX file of bytes; get it again: zcproxy data fetch mnist")
    return struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])


def _content(path: Path, size: int = -1) -> bytes:
    """The first `size` bytes of a file, unpacked if it is gzipped."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            return stream.read(size)
    except (OSError, EOFError, zlib.error) as problem:
        raise DataError(f"{path} is not a whole file of MNIST ({problem})") from problem
