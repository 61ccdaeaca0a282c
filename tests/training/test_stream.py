"""The stream of batches against whole shifted copies."""

from __future__ import annotations

import pytest
import torch

from zcproxy.training import Recipe, shifted
from zcproxy.training.stream import LAYOUT, Stream


def images(count: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 2, 5, 4, generator=generator), torch.arange(count)


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_every_image_is_under_its_own_shift(shift: int) -> None:
    inputs, targets = images()
    stream = Stream(inputs, targets, Recipe(batch=3, shift=shift), 5)
    generator = torch.Generator().manual_seed(5)
    reach = range(-shift, shift + 1)
    offsets = [(down, right) for down in reach for right in reach]
    for _ in range(2):
        order = torch.randperm(7, generator=generator)
        got = list(stream.epoch())
        assert len(got) == 2
        for number, (batch, labels) in enumerate(got):
            chosen = order[3 * number : 3 * number + 3]
            drawn = torch.randint(len(offsets), (3,), generator=generator)
            expected = [shifted(inputs, *offsets[d])[c] for d, c in zip(drawn, chosen, strict=True)]
            assert torch.equal(batch, torch.stack(expected))
            assert torch.equal(labels, chosen)
            assert batch.is_contiguous(memory_format=LAYOUT)


def test_mirroring_mirrors_some_and_changes_no_order() -> None:
    inputs, targets = images(40)
    plain = Stream(inputs, targets, Recipe(batch=40, shift=0), 1)
    flipped = Stream(inputs, targets, Recipe(batch=40, shift=0, flip=True), 1)
    (a, labels), (b, same) = next(plain.epoch()), next(flipped.epoch())
    assert torch.equal(labels, same)
    mirrored = [torch.equal(y, x.flip(2)) for x, y in zip(a, b, strict=True)]
    whole = [torch.equal(y, x) for x, y in zip(a, b, strict=True)]
    assert all(m != w for m, w in zip(mirrored, whole, strict=True))
    assert 8 < sum(mirrored) < 32


def test_all_images_come_once_in_order() -> None:
    inputs, targets = images()
    stream = Stream(inputs, targets, Recipe(batch=1, shift=1), 0)
    offsets = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    expected = [shifted(inputs, *offsets[i % 9])[i] for i in range(7)]
    assert torch.equal(torch.cat(list(stream.all_images())), torch.stack(expected))
