"""Batches and training sets as tensors, always the same images for the same name and seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zcproxy.datasets import catalogue, places
from zcproxy.datasets.catalogue import Entry
from zcproxy.datasets.pixels import Pixels
from zcproxy.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["Batch", "Images", "batch", "load", "noise_like"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Images ready for a network, and where they came from.

    inputs: float32 (N, C, H, W), normalized. targets: int64 (N,), 0 <= target < classes.
    source: file and images, or how they were made. sha256: of shapes and bytes of both tensors.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    classes: int
    name: str
    source: str
    sha256: str


@dataclass(frozen=True, eq=False)
class Images:
    """Training and test images: inputs float32 (N, C, H, W), normalized; targets int64 (N,)."""

    train_inputs: torch.Tensor
    train_targets: torch.Tensor
    test_inputs: torch.Tensor
    test_targets: torch.Tensor
    classes: int
    name: str
    source: str


def batch(
    dataset: str,
    size: int = 64,
    seed: int = 0,
    *,
    shape: tuple[int, int, int] | None = None,
) -> Batch:
    """A batch of training images, fixed by its arguments alone.

    For real images the batch of seed s is images s*size ... (s+1)*size - 1 of the official order,
    unshuffled and without augmentation, so every official form of a data set and every file that
    holds these positions give equal bits. `noise` draws normal pixels, then uniform labels,
    from a generator of its own seeded with `seed`; `ones` is all ones with labels 0, 1, 2, ... in
    turn (its seed changes nothing).

    Args:
        dataset: a name of `names()` or the path of a `.npz` file.
        size: number of images, at least 1.
        seed: which batch, at least 0.
        shape: (C, H, W) of `noise` and `ones`, default (3, 32, 32); no other data set takes it.

    Raises:
        InputError: unknown name, bad size, seed or shape, or a batch past the last training image.
        DataError: no file holds the images, or the file is damaged.
    """
    if size < 1 or seed < 0:
        raise InputError(f"a batch needs size >= 1 and seed >= 0, not size {size}, seed {seed}")
    if dataset in ("noise", "ones"):
        return _made(dataset, size, seed, catalogue.shape(dataset) if shape is None else shape)
    if shape is not None:
        raise InputError(f"{dataset} has its own image shape; only noise and ones take one")
    about = places.about(dataset)
    wanted = _block(about, size, seed)
    pixels, source = places.at(dataset, wanted)
    inputs, targets = _tensors(pixels, about)
    images = f"{source}, training images {wanted[0]}..{wanted[-1]}"
    return _batch(inputs, targets, about, images)


def noise_like(dataset: str, size: int = 64, seed: int = 0) -> Batch:
    """Noise in the place of a data set: its image shape, uniform labels of its classes, its name.

    Pixels are standard normal, drawn before the labels from a generator of its own seeded with
    `seed`. No image is read.

    Raises: InputError for an unknown name, a bad size or seed, or noise or ones themselves;
        DataError for an unusable `.npz`.
    """
    if size < 1 or seed < 0:
        raise InputError(f"a batch needs size >= 1 and seed >= 0, not size {size}, seed {seed}")
    if dataset in ("noise", "ones"):
        raise InputError(f"{dataset} is no data set whose place noise could take; use batch()")
    return _noise(places.about(dataset), size, seed, catalogue.shape(dataset))


def load(dataset: str) -> Images:
    """All training and test images of a data set (of a partial file: those it has).

    digits: the first 1,000 images of scikit-learn's order are the training part, the other 797 the
    test part; these were written by other people, so the test is an honest one.

    Raises: InputError for noise, ones and unknown names; DataError as `batch`.
    """
    if dataset in ("noise", "ones"):
        raise InputError(f"{dataset} has no training and test set; use batch('{dataset}')")
    about = places.about(dataset)
    train, test, source = places.whole(dataset)
    return Images(*_tensors(train, about), *_tensors(test, about), about.classes, dataset, source)


def _block(about: Entry, size: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Official positions of the batch of a seed."""
    first = seed * size
    if about.train is not None and first + size > about.train:
        raise InputError(
            f"batch {seed} of {size} images would be training images {first}..{first + size - 1}; "
            f"{about.name} has {about.train}, so take a smaller seed or size"
        )
    return np.arange(first, first + size, dtype=np.int64)


def _tensors(pixels: Pixels, about: Entry) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalized inputs and targets.

    The 256 possible values of each channel are computed once, in float64, so that the float32
    result is the same on every machine.
    """
    import torch

    levels = np.arange(256, dtype=np.float64)[None] / about.top
    mean, std = (np.asarray(values, dtype=np.float64) for values in (about.mean, about.std))
    table = ((levels - mean[:, None]) / std[:, None]).astype(np.float32)
    inputs = np.empty(pixels.images.shape, dtype=np.float32)
    for channel, values in enumerate(table):
        inputs[:, channel] = values[pixels.images[:, channel]]
    return torch.from_numpy(inputs), torch.from_numpy(pixels.labels.copy())


def _made(name: str, size: int, seed: int, shape: tuple[int, int, int]) -> Batch:
    """Batches that come from no file."""
    import torch

    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"an image shape is (channels, height, width), all positive, not {shape}")
    about = catalogue.entry(name)
    sides = "x".join(map(str, shape))
    if name == "ones":
        targets = torch.arange(size) % about.classes
        return _batch(torch.ones(size, *shape), targets, about, f"ones {sides}")
    return _noise(about, size, seed, shape)


def _noise(about: Entry, size: int, seed: int, shape: tuple[int, int, int]) -> Batch:
    """Standard normal pixels, then uniform labels."""
    import torch

    sides = "x".join(map(str, shape))
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(size, *shape, generator=generator, dtype=torch.float32)
    targets = torch.randint(about.classes, (size,), generator=generator)
    return _batch(inputs, targets, about, f"standard normal {sides}, torch generator seed {seed}")


def _batch(inputs: torch.Tensor, targets: torch.Tensor, about: Entry, source: str) -> Batch:
    return Batch(inputs, targets, about.classes, about.name, source, _sha256(inputs, targets))


def _sha256(*tensors: torch.Tensor) -> str:
    """Hash over type, shape and little-endian bytes of each tensor in turn."""
    digest = hashlib.sha256()
    for tensor in tensors:
        array = tensor.contiguous().numpy()
        digest.update(f"{array.dtype.name} {array.shape}\n".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()
