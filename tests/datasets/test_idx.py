"""MNIST's official files, written by hand, in all the places they may lie."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from zcproxy import datasets
from zcproxy.datasets import census
from zcproxy.errors import DataError

RNG = np.random.default_rng(0)
PIXELS = {"train": RNG.integers(0, 256, (7, 28, 28)), "t10k": RNG.integers(0, 256, (3, 28, 28))}
LABELS = {"train": np.array([5, 0, 4, 1, 9, 2, 1]), "t10k": np.array([7, 2, 1])}


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZCPROXY_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def content(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim])
    sides = b"".join(struct.pack(">I", side) for side in array.shape)
    return head + sides + array.astype(np.uint8).tobytes()


def written(folder: Path, packed: bool = False, dotted: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "t10k"):
        files = {f"{part}-images-idx3-ubyte": PIXELS, f"{part}-labels-idx1-ubyte": LABELS}
        for name, arrays in files.items():
            name = name.replace("-idx", ".idx") if dotted else name
            data = content(arrays[part])
            (folder / (f"{name}.gz" if packed else name)).write_bytes(
                gzip.compress(data) if packed else data
            )


@pytest.mark.parametrize("place", ["", "mnist", "mnist/raw", "MNIST/raw"])
@pytest.mark.parametrize(("packed", "dotted"), [(False, False), (True, False), (False, True)])
def test_all_images_from_wherever_they_lie(
    root: Path, place: str, packed: bool, dotted: bool
) -> None:
    written(root / place, packed, dotted)
    images = datasets.load("mnist")
    expected = (PIXELS["train"] / 255 - 0.1307) / 0.3081
    assert images.train_inputs.shape == (7, 1, 28, 28)
    torch.testing.assert_close(
        images.train_inputs[:, 0], torch.from_numpy(expected).float(), rtol=1e-6, atol=1e-6
    )
    assert images.train_targets.tolist() == LABELS["train"].tolist()
    assert images.test_targets.tolist() == LABELS["t10k"].tolist()
    assert images.classes == 10
    (stock,) = census.stock("mnist")
    assert (stock.train, stock.test) == (7, 3)


def test_a_batch_is_a_block_of_the_official_order(root: Path) -> None:
    written(root)
    batch = datasets.batch("mnist", 3, 1)
    assert batch.targets.tolist() == [1, 9, 2]
    assert "IDX files" in batch.source


def test_one_file_of_arrays_serves_too(root: Path) -> None:
    np.savez(
        root / "mnist.npz",
        x_train=PIXELS["train"].astype(np.uint8),
        y_train=LABELS["train"].astype(np.uint8),
        x_test=PIXELS["t10k"].astype(np.uint8),
        y_test=LABELS["t10k"].astype(np.uint8),
    )
    from_arrays = datasets.load("mnist")
    (root / "mnist.npz").unlink()
    written(root)
    assert torch.equal(datasets.load("mnist").train_inputs, from_arrays.train_inputs)


def test_a_missing_file_is_no_data_set(root: Path) -> None:
    written(root)
    (root / "t10k-labels-idx1-ubyte").unlink()
    assert census.stock("mnist") == []
    with pytest.raises(DataError, match="zcproxy data fetch mnist"):
        datasets.load("mnist")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-1], "truncated or not a file of MNIST"),
        (lambda data: b"\0\0\x0b" + data[3:], "no IDX file of bytes"),
        (lambda data: data[:10], "no IDX file of bytes"),
        (lambda data: b"", "no IDX file of bytes"),
    ],
)
def test_damaged_files(root: Path, damage: object, message: str) -> None:
    written(root)
    file = root / "train-images-idx3-ubyte"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match=message):
        datasets.load("mnist")


def test_a_damaged_archive(root: Path) -> None:
    written(root, packed=True)
    file = root / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match="not a whole file of MNIST"):
        datasets.load("mnist")


def test_labels_of_another_data_set(root: Path) -> None:
    written(root)
    (root / "train-labels-idx1-ubyte").write_bytes(content(LABELS["train"] + 40))
    with pytest.raises(DataError, match=r"not this data set: labels 40\.\.49"):
        datasets.load("mnist")


def test_the_shared_images(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZCPROXY_DATA", str(shared_data))
    images = datasets.load("mnist")
    assert images.train_targets[:5].tolist() == [5, 0, 4, 1, 9]
    assert len(images.test_inputs) == 10_000
    assert abs(float(images.train_inputs.mean())) < 0.02
    assert float(images.train_inputs.std()) == pytest.approx(1, abs=0.02)
