"""Training one small network: deterministic for a seed, on one thread, without data loaders."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zcproxy.datasets import Images
from zcproxy.training.checkpoint import Checkpoint
from zcproxy.training.recipe import Recipe
from zcproxy.training.stream import LAYOUT, Stream, shifted
from zcproxy.undisturbed import training_mode, undisturbed_randomness

if TYPE_CHECKING:
    from zcproxy.pruning import Mask

__all__ = ["accuracy", "fit", "train"]

Progress = Callable[[int, int], None]

TESTED_AT_ONCE = 1000
SAVE_EVERY = 60.0
"""Seconds between checkpoints; they are written at ends of epochs."""

EPOCH_SEEDS = 1_000_003
"""Distance of the seeds that the randomness inside a network gets in consecutive epochs."""


def train(
    network: nn.Module,
    images: Images,
    recipe: Recipe,
    seed: int,
    *,
    mask: Mask | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> float:
    """Train a network in place and test it.

    Args:
        network: takes (N, C, H, W) images, gives (N, classes) scores; its initial weights are
            the caller's affair.
        images: training and test images.
        recipe: everything else but the seed.
        seed: of the order of the images, of their shifts and flips, and of randomness inside the
            network. Global random state plays no part.
        mask, checkpoint, progress: see `fit`.

    Returns: accuracy on the shifted test images in percent, as `Recipe` says.
    Raises: as `fit`.
    """
    fit(network, images, recipe, seed, mask=mask, checkpoint=checkpoint, progress=progress)
    return accuracy(network, images, recipe.shift)


def fit(
    network: nn.Module,
    images: Images,
    recipe: Recipe,
    seed: int,
    *,
    mask: Mask | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> None:
    """Train a network in place.

    Args:
        network, images, recipe, seed: see `train`.
        mask: held from before the first step to the end, and verified there; the pruned weights
            of the trained network are zero.
        checkpoint: file that keeps the state of the training at ends of epochs, at most once
            a minute. If it is there, the training goes on from it, to the same bits as without
            interruption; at the end it is removed.
        progress: called as progress(epochs done, epochs) at the beginning and after every epoch.

    Raises: InputError if there are fewer training images than one batch holds, or the checkpoint
        is of another training; MaskError if the mask did not hold.
    """
    stream = Stream(images.train_inputs, images.train_targets, recipe, seed)
    network.to(memory_format=LAYOUT)  # type: ignore[call-overload]
    optimizer = recipe.optimizer_of(network)
    tell = progress or (lambda done, total: None)
    if mask is not None:
        mask.attach(network)
    state = Checkpoint(checkpoint, network, optimizer, stream, recipe, seed)
    try:
        with training_mode(network), undisturbed_randomness(seed):
            first = state.restore()
            tell(first, recipe.epochs)
            saved = time.monotonic()
            for epoch in range(first, recipe.epochs):
                _epoch(network, optimizer, stream, recipe, epoch, seed)
                if time.monotonic() - saved >= SAVE_EVERY:
                    state.save(epoch + 1)
                    saved = time.monotonic()
                tell(epoch + 1, recipe.epochs)
            _settle(network, stream)
        if mask is not None:
            mask.verify(network)
    finally:
        if mask is not None:
            mask.detach(network)
    state.remove()


@torch.no_grad()
def accuracy(network: nn.Module, images: Images, shift: int = 0) -> float:
    """Share in percent of test images, as they are and shifted four ways, that are recognized."""
    offsets = [(0, 0), (0, shift), (0, -shift), (shift, 0), (-shift, 0)] if shift else [(0, 0)]
    right = 0
    with training_mode(network, training=False):
        for offset in offsets:
            moved = shifted(images.test_inputs, *offset)
            for first in range(0, len(moved), TESTED_AT_ONCE):
                part = slice(first, first + TESTED_AT_ONCE)
                scores = network(moved[part].contiguous(memory_format=LAYOUT))
                right += int((scores.argmax(1) == images.test_targets[part]).sum())
    return 100 * right / (len(offsets) * len(images.test_targets))


def _epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    stream: Stream,
    recipe: Recipe,
    epoch: int,
    seed: int,
) -> None:
    """All batches of one epoch; dropout and its like draw from a seed of the epoch's own."""
    torch.manual_seed((seed + EPOCH_SEEDS * epoch) % 2**63)
    steps = stream.batches * recipe.epochs
    for number, (inputs, targets) in enumerate(stream.epoch()):
        rate = recipe.rate(epoch * stream.batches + number, steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss: Tensor = F.cross_entropy(network(inputs), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@torch.no_grad()
def _settle(network: nn.Module, stream: Stream) -> None:
    """Give batch norm the mean statistics of the training images, image i under shift i mod shifts.

    Batches are four times those of the training, whose images they are.
    """
    norms = [
        module
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats
    ]
    if not norms:
        return
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
    for inputs in stream.all_images():
        network(inputs)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
