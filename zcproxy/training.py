"""Training one small network: deterministic for a seed, on one thread, without data loaders."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zcproxy.datasets import Images
from zcproxy.errors import InputError
from zcproxy.undisturbed import training_mode

__all__ = ["Recipe", "accuracy", "fit", "shifted", "train"]

LAYOUT = torch.channels_last
"""Memory layout in which narrow convolutions are fastest on a processor."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained and tested.

    Stochastic gradient descent on cross-entropy with Nesterov momentum and a cosine decay of the
    learning rate to zero. Every image of a training batch is shifted by -`shift` ... `shift` pixels
    in both directions, drawn anew each time; batches that are not full are left out. Afterwards the
    running statistics of batch norm are replaced by means over one pass through the training
    images, so that they belong to the final weights.

    The accuracy is that of the last epoch over all test images, each taken as it is and shifted
    by `shift` pixels in the four directions: five times the images, and a harder test
    than the plain one.
    """

    epochs: int = 4
    batch: int = 50
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    shift: int = 1


def train(network: nn.Module, images: Images, recipe: Recipe, seed: int) -> float:
    """Train a network in place and test it.

    Args:
        network: takes (N, C, H, W) images, gives (N, classes) scores; its initial weights are
            the caller's affair.
        images: training and test images.
        recipe: everything else but the seed.
        seed: of the order of the images and of their shifts. Global random state plays no part.

    Returns: accuracy on the shifted test images in percent, as `Recipe` says.
    Raises: InputError if there are fewer training images than one batch holds.
    """
    fit(network, images, recipe, seed)
    return accuracy(network, images, recipe.shift)


def fit(network: nn.Module, images: Images, recipe: Recipe, seed: int) -> None:
    """Train a network in place; see `train`."""
    moved = _all_shifts(images.train_inputs, recipe.shift)
    steps = len(images.train_inputs) // recipe.batch * recipe.epochs
    if not steps:
        raise InputError(
            f"{len(images.train_inputs)} training images make no batch of {recipe.batch} in "
            f"{recipe.epochs} epochs; use a smaller batch"
        )
    network.to(memory_format=LAYOUT)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=True,
        fused=True,
    )
    with training_mode(network):
        for step, (inputs, targets) in enumerate(
            _batches(moved, images.train_targets, recipe, seed)
        ):
            rate = recipe.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            F.cross_entropy(network(inputs), targets).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        _settle(network, moved, recipe.batch)


@torch.no_grad()
def accuracy(network: nn.Module, images: Images, shift: int = 0) -> float:
    """Share in percent of test images, as they are and shifted four ways, that are recognized."""
    offsets = [(0, 0), (0, shift), (0, -shift), (shift, 0), (-shift, 0)] if shift else [(0, 0)]
    right = 0
    with training_mode(network, training=False):
        for offset in offsets:
            inputs = shifted(images.test_inputs, *offset).contiguous(memory_format=LAYOUT)
            right += int((network(inputs).argmax(1) == images.test_targets).sum())
    return 100 * right / (len(offsets) * len(images.test_targets))


def shifted(inputs: Tensor, down: int, right: int) -> Tensor:
    """Images (N, C, H, W) moved by whole pixels; what comes in is the darkest value there is."""
    margin = max(abs(down), abs(right))
    height, width = inputs.shape[2:]
    padded = F.pad(inputs, (margin,) * 4, value=float(inputs.min()))
    top, left = margin - down, margin - right
    return padded[:, :, top : top + height, left : left + width]


def _all_shifts(inputs: Tensor, shift: int) -> Tensor:
    """Images (N, C, H, W) under every shift, (shifts, N, C, H, W)."""
    reach = range(-shift, shift + 1)
    return torch.stack([shifted(inputs, *offset) for offset in itertools.product(reach, reach)])


def _batches(
    moved: Tensor, targets: Tensor, recipe: Recipe, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """All batches of a training: a new order every epoch, a shift for every image."""
    generator = torch.Generator().manual_seed(seed)
    shifts, count = moved.shape[:2]
    for _ in range(recipe.epochs):
        order = torch.randperm(count, generator=generator)
        for first in range(0, count - recipe.batch + 1, recipe.batch):
            chosen = order[first : first + recipe.batch]
            drawn = torch.randint(shifts, (recipe.batch,), generator=generator)
            yield moved[drawn, chosen].contiguous(memory_format=LAYOUT), targets[chosen]


@torch.no_grad()
def _settle(network: nn.Module, moved: Tensor, batch: int) -> None:
    """Give batch norm the mean statistics of the training images, image i under shift i mod shifts.

    Batches are four times those of the training, whose images they are.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
    shifts, count = moved.shape[:2]
    for first in range(0, count, 4 * batch):
        chosen = torch.arange(first, min(first + 4 * batch, count))
        network(moved[chosen % shifts, chosen].contiguous(memory_format=LAYOUT))
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
