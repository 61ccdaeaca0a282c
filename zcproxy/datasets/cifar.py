"""The official files of CIFAR-10 and CIFAR-100: pickled or binary, unpacked or as `.tar.gz`.

Format: https://www.cs.toronto.edu/~kriz/cifar.html. Every image is 3,072 bytes, channel by
channel, row by row.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zcproxy.datasets.pixels import Part, Pixels, Source, checked
from zcproxy.datasets.unpickle import unpickle
from zcproxy.errors import DataError

__all__ = ["FORMS", "sources"]

_BYTES = 3 * 32 * 32
_LARGEST = 400_000_000  # bytes; the largest official file has 185 million

Open = Callable[[str], bytes]


@dataclass(frozen=True)
class Form:
    """One official form: its folder, its archive, its files in order, and what is in them."""

    folder: str
    tar: str
    train: tuple[str, ...]
    test: str
    per_file: int
    classes: int
    pickled: bool
    label_bytes: int = 1


_FIVE = tuple(f"data_batch_{i}" for i in range(1, 6))
FORMS: dict[str, tuple[Form, ...]] = {
    "cifar10": (
        Form(
            "cifar-10-batches-py",
            "cifar-10-python.tar.gz",
            _FIVE,
            "test_batch",
            10_000,
            10,
            pickled=True,
        ),
        Form(
            "cifar-10-batches-bin",
            "cifar-10-binary.tar.gz",
            tuple(f"{name}.bin" for name in _FIVE),
            "test_batch.bin",
            10_000,
            10,
            pickled=False,
        ),
    ),
    "cifar100": (
        Form(
            "cifar-100-python",
            "cifar-100-python.tar.gz",
            ("train",),
            "test",
            50_000,
            100,
            pickled=True,
        ),
        Form(
            "cifar-100-binary",
            "cifar-100-binary.tar.gz",
            ("train.bin",),
            "test.bin",
            50_000,
            100,
            pickled=False,
            label_bytes=2,
        ),
    ),
}

_NAMES = {form.tar: dataset for dataset, forms in FORMS.items() for form in forms}
"""The data set of every archive."""


def sources(dataset: str, folder: Path) -> Iterator[Source]:
    """The official forms of `dataset` that lie in `folder`; folders before archives."""
    for form in FORMS[dataset]:
        inside = folder if folder.name == form.folder else folder / form.folder
        if inside.is_dir():
            yield _source(form, form.folder, partial(_from_folder, inside))
    for form in FORMS[dataset]:
        tar = folder / form.tar
        if tar.is_file():
            yield _source(form, form.tar, partial(_from_tar, tar, form.folder))


def _source(form: Form, name: str, opened: Open) -> Source:
    train = tuple(
        Part(i * form.per_file, (i + 1) * form.per_file, partial(_read, form, file, i, opened))
        for i, file in enumerate(form.train)
    )
    return Source(name, train, (Part(0, 10_000, partial(_read, form, form.test, 0, opened)),))


def _read(form: Form, file: str, number: int, opened: Open) -> Pixels:
    where = f"{form.folder}/{file}"
    decode = _from_pickle if form.pickled else _from_binary
    rows, labels = decode(opened(file), form, where)
    if len(rows) > form.per_file:
        raise DataError(f"{where} holds {len(rows)} images, more than {form.per_file}")
    positions = np.arange(len(rows), dtype=np.int64) + number * form.per_file
    return checked(rows.reshape(-1, 3, 32, 32), labels, positions, form.classes, where)


def _from_pickle(
    content: bytes, form: Form, where: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Rows and labels of a pickled batch: `data` (N, 3072), `labels` or `fine_labels`."""
    batch = unpickle(content, where)
    key = "labels" if form.classes == 10 else "fine_labels"
    rows = batch.get("data")
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.shape[1:] != (_BYTES,):
        raise DataError(f"{where} holds no array 'data' of uint8 (images, {_BYTES})")
    labels = batch.get(key)
    if not isinstance(labels, (list, np.ndarray)):
        raise DataError(f"{where} holds no list {key!r}")
    if not all(isinstance(label, (int, np.integer)) for label in labels):
        raise DataError(f"{where} holds labels that are not integers")
    return rows, np.asarray(labels, dtype=np.int64).reshape(-1)


def _from_binary(
    content: bytes, form: Form, where: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Rows and labels of a binary file: the last label byte is the class, then the pixels."""
    row = form.label_bytes + _BYTES
    if not content or len(content) % row:
        raise DataError(
            f"{where} is truncated or not a CIFAR file: {len(content)} bytes are no multiple of "
            f"{row}"
        )
    rows = np.frombuffer(content, dtype=np.uint8).reshape(-1, row)
    return rows[:, form.label_bytes :], rows[:, form.label_bytes - 1].astype(np.int64)


def _from_folder(folder: Path, file: str) -> bytes:
    try:
        return (folder / file).read_bytes()
    except OSError as problem:
        raise DataError(
            f"{folder / file} cannot be read ({problem.strerror}); unpack the official archive "
            "there again, or keep the archive itself: it is read as it is"
        ) from problem


def _from_tar(tar: Path, folder: str, file: str) -> bytes:
    """One member, read in memory: nothing is unpacked to the disk."""
    try:
        with tarfile.open(tar, "r:gz") as archive:
            for member in archive:
                if member.isfile() and member.name.removeprefix("./") == f"{folder}/{file}":
                    return _member(archive, member, tar)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as problem:
        raise DataError(
            f"{tar} is not a whole .tar.gz archive ({problem}); get it again: zcproxy data fetch "
            f"{_NAMES[tar.name]}"
        ) from problem
    raise DataError(f"{tar} holds no {folder}/{file}")


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo, tar: Path) -> bytes:
    stream = archive.extractfile(member)
    if stream is None or member.size > _LARGEST:
        raise DataError(f"{member.name} in {tar} is no file of CIFAR's size")
    content = stream.read()
    if len(content) != member.size:
        raise DataError(f"{tar} is truncated inside {member.name}")
    return content
