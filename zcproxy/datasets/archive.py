"""Images in a `.npz`: `x_train`, `y_train`, perhaps `x_test`, `y_test` and official positions."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from zcproxy.datasets.pixels import Part, Pixels, Source, checked
from zcproxy.errors import DataError

__all__ = [
    "classes",
    "count",
    "holds_images",
    "normalization",
    "shape",
    "source",
    "statistics",
]

Floats = tuple[float, ...]

_LAST = 2**63 - 1


def source(path: Path, kinds: int) -> Source:
    """The images of a `.npz` as a source of `kinds` classes; nothing is read yet.

    Keys: `x_train` uint8 (N, H, W, C) or (N, H, W), `y_train` integers (N,), and optionally
    `index_train` (N,), the official position of each image (default 0, 1, 2, ...); the same three
    for `test`.
    """
    return Source(path.name, (_part(path, "train", kinds),), (_part(path, "test", kinds),))


def holds_images(path: Path) -> bool:
    """Whether a `.npz` has the keys `x_train` and `y_train`."""
    with _opened(path) as file:
        return {"x_train", "y_train"} <= set(file.files)


def classes(path: Path) -> int:
    """Number of classes: the length of `class_names` or `fine_names`, else the last label + 1."""
    with _opened(path) as file:
        for key in ("class_names", "fine_names"):
            if key in file:
                return len(file[key])
        return int(_labels(file, "y_train", path).max()) + 1


def shape(path: Path) -> tuple[int, int, int]:
    """(C, H, W) of the images in a `.npz`, from the array's header alone."""
    _, channels, height, width = _header(path, "x_train")
    return channels, height, width


def count(path: Path, part: str) -> int:
    """Number of images of `part` ("train" or "test"), from the array's header alone."""
    return _header(path, f"x_{part}")[0]


def normalization(path: Path) -> tuple[Floats, Floats] | None:
    """Mean and standard deviation per channel that the file states, as fractions of 255.

    Raises: DataError if they do not fit the images.
    """
    with _opened(path) as file:
        if "mean" not in file or "std" not in file:
            return None
        mean, std = (np.asarray(file[key], dtype=np.float64) for key in ("mean", "std"))
    if not mean.shape == std.shape == (shape(path)[0],) or not (std > 0).all():
        raise DataError(f"mean and std in {path} must hold one number per channel, std above 0")
    return tuple((mean / 255).tolist()), tuple((std / 255).tolist())


def statistics(path: Path) -> tuple[Floats, Floats]:
    """Mean and standard deviation per channel of the training pixels, as fractions of 255.

    A constant channel gets standard deviation 1, so it becomes zero.
    """
    with _opened(path) as file:
        images = _images(file, "x_train", path)
    mean_std = [_mean_std(images[:, channel]) for channel in range(images.shape[1])]
    return tuple(mean for mean, _ in mean_std), tuple(std for _, std in mean_std)


def _mean_std(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    if pixels.min() == pixels.max():
        return float(pixels.min()) / 255, 1.0
    return float(pixels.mean()) / 255, float(pixels.std()) / 255


def _header(path: Path, key: str) -> tuple[int, int, int, int]:
    """(N, C, H, W) of an image array; zeros if the file has none."""
    try:
        with zipfile.ZipFile(path) as file, file.open(f"{key}.npy") as stream:
            version = np.lib.format.read_magic(stream)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            sides, _, _ = read(stream)
    except KeyError:
        return 0, 0, 0, 0
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as problem:
        raise _unreadable(path, problem) from problem
    count_, height, width, *channels = sides if len(sides) in (3, 4) else (0, 0, 0)
    return count_, channels[0] if channels else 1, height, width


def _part(path: Path, part: str, kinds: int) -> Part:
    return Part(0, _LAST, lambda: _read(path, part, kinds))


def _read(path: Path, part: str, kinds: int) -> Pixels:
    with _opened(path) as file:
        images = _images(file, f"x_{part}", path)
        labels = _labels(file, f"y_{part}", path)
        positions = np.arange(len(images), dtype=np.int64)
        if f"index_{part}" in file:
            positions = _labels(file, f"index_{part}", path)
    return checked(images, labels, positions, kinds, str(path))


def _images(file: NpzFile, key: str, path: Path) -> NDArray[np.uint8]:
    """An image array as (N, C, H, W)."""
    images = _array(file, key, path)
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise DataError(
            f"{key} in {path} is {images.dtype} {images.shape}; "
            "expected uint8 pixels of shape (images, height, width, channels)"
        )
    if images.ndim == 3:
        images = images[..., None]
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def _labels(file: NpzFile, key: str, path: Path) -> NDArray[np.int64]:
    labels = _array(file, key, path)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not len(labels):
        raise DataError(f"{key} in {path} is {labels.dtype} {labels.shape}; expected integers (N,)")
    return labels.astype(np.int64)


def _array(file: NpzFile, key: str, path: Path) -> NDArray[Any]:
    if key not in file:
        raise DataError(f"{path} has no array {key!r}; it has {', '.join(file.files)}")
    return np.asarray(file[key])


@contextmanager
def _opened(path: Path) -> Iterator[NpzFile]:
    """The file, with every way in which it can be damaged turned into a DataError."""
    try:
        # Opened here: numpy would leave a damaged archive open.
        with path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise ValueError("it is no archive, or its end is missing")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                yield file
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as problem:
        raise _unreadable(path, problem) from problem


def _unreadable(path: Path, problem: Exception) -> DataError:
    if isinstance(problem, FileNotFoundError):
        return DataError(f"there is no file {path}")
    # Never numpy's own advice, which is to read such a file without protection.
    reason = "it holds more than plain arrays" if "allow_pickle" in str(problem) else problem
    return DataError(
        f"{path} is not a whole .npz file of images ({reason}); write it again or remove it "
        "(zcproxy data list says how to get images)"
    )
