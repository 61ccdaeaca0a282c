"""Training images in random order, shifted and mirrored at random, fixed by a seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from zcproxy.errors import InputError

if TYPE_CHECKING:
    from zcproxy.training.recipe import Recipe

__all__ = ["LAYOUT", "Stream", "shifted"]

LAYOUT = torch.channels_last
"""Memory layout in which narrow convolutions are fastest on a processor."""


def shifted(inputs: Tensor, down: int, right: int) -> Tensor:
    """Images (N, C, H, W) moved by whole pixels; what comes in is the darkest value there is."""
    margin = max(abs(down), abs(right))
    height, width = inputs.shape[2:]
    padded = F.pad(inputs, (margin,) * 4, value=float(inputs.min()))
    top, left = margin - down, margin - right
    return padded[:, :, top : top + height, left : left + width]


class Stream:
    """The batches of a training, epoch after epoch.

    Every epoch has a new order, every image of a batch its own shift (and mirroring). All of it
    comes from `generator`; with its state saved and restored the stream goes on where it was.

    Args:
        inputs, targets: (N, C, H, W) and (N,).
        recipe: its `batch`, `shift` and `flip`.
        seed: of the generator.

    Raises: InputError if there are fewer images than one batch holds.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, recipe: Recipe, seed: int) -> None:
        self.count, self.batch = len(inputs), recipe.batch
        self.batches = self.count // recipe.batch
        if not self.batches * recipe.epochs and recipe.epochs:
            raise InputError(
                f"{self.count} training images make no batch of {recipe.batch} in "
                f"{recipe.epochs} epochs; use a smaller batch"
            )
        self.generator = torch.Generator().manual_seed(seed)
        self._targets, self._flip = targets, recipe.flip
        self._side = 2 * recipe.shift + 1
        padded = F.pad(inputs, (recipe.shift,) * 4, value=float(inputs.min()))
        height, width = inputs.shape[2:]
        # (N, C, side, side, H, W): every window of every padded image, without a copy
        self._windows = padded.unfold(2, height, 1).unfold(3, width, 1)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of the next epoch."""
        order = torch.randperm(self.count, generator=self.generator)
        for first in range(0, self.count - self.batch + 1, self.batch):
            chosen = order[first : first + self.batch]
            drawn = torch.randint(self._side**2, (self.batch,), generator=self.generator)
            inputs = self._moved(chosen, drawn)
            if self._flip:
                mirrored = torch.rand(self.batch, generator=self.generator) < 0.5
                inputs = torch.where(mirrored[:, None, None, None], inputs.flip(3), inputs)
            yield inputs.contiguous(memory_format=LAYOUT), self._targets[chosen]

    def all_images(self) -> Iterator[Tensor]:
        """All images in order, four batches at once, image i under shift i mod shifts."""
        for first in range(0, self.count, 4 * self.batch):
            chosen = torch.arange(first, min(first + 4 * self.batch, self.count))
            yield self._moved(chosen, chosen % self._side**2).contiguous(memory_format=LAYOUT)

    def _moved(self, chosen: Tensor, shifts: Tensor) -> Tensor:
        """Images `chosen` (B,), each under its shift: down and right are quotient and remainder."""
        last = self._side - 1
        down, right = last - shifts // self._side, last - shifts % self._side
        return self._windows[chosen, :, down, right]
