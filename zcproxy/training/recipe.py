"""How a network is trained, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from zcproxy.errors import InputError, unknown

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["OPTIMIZERS", "SCHEDULES", "Recipe"]

OPTIMIZERS = ("sgd", "adam")
SCHEDULES = ("cosine", "step", "constant")

FIRST = ("epochs", "batch", "learning_rate", "momentum", "weight_decay", "shift")
"""The fields that recipes have had since the first table was made."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained and tested.

    Minimization of cross-entropy, with a learning rate that changes every step. Every image of a
    training batch is shifted by -`shift` ... `shift` pixels in both directions, drawn anew each
    time; batches that are not full are left out. Afterwards the running statistics of batch norm
    are replaced by means over one pass through the training images, so that they belong to the
    final weights.

    The accuracy is that of the last epoch over all test images. `training.train` tests each as it
    is and shifted by `shift` pixels in the four directions: five times the images, and a harder
    test than the plain one.

    Attributes:
        epochs, batch: passes through the training images, images per step.
        learning_rate, momentum, weight_decay: of the optimizer; Adam takes `momentum` as beta_1,
            beside a beta_2 of .999, and weight decay as a gradient.
        shift: pixels.
        flip: whether images are mirrored with probability one half.
        optimizer: `sgd`, with Nesterov momentum, or `adam`.
        schedule: `cosine` (to zero), `step` (times .1 at the `milestones`) or `constant`.
        milestones: shares of the training after which the rate drops.
    """

    epochs: int = 4
    batch: int = 50
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    shift: int = 1
    flip: bool = False
    optimizer: str = "sgd"
    schedule: str = "cosine"
    milestones: tuple[float, ...] = (0.5, 0.75)

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise unknown("optimizer", self.optimizer, OPTIMIZERS)
        if self.schedule not in SCHEDULES:
            raise unknown("schedule", self.schedule, SCHEDULES)
        if self.epochs < 0 or self.batch < 1 or self.shift < 0 or self.learning_rate < 0:
            raise InputError(
                "a recipe needs epochs >= 0, batch >= 1, shift >= 0 and learning rate >= 0, not "
                f"{self.epochs}, {self.batch}, {self.shift}, {self.learning_rate}"
            )

    def described(self) -> dict[str, Any]:
        """The recipe as plain data, for keys and ledgers.

        Fields that were added later are left out where they have their default, so that what was
        trained before they existed still has the same recipe.
        """
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name in FIRST or getattr(self, field.name) != field.default
        }

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of a step (0, 1, ...) of so many."""
        if self.schedule == "cosine":
            return self.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
        passed = sum(step >= milestone * steps for milestone in self.milestones)
        drops = passed if self.schedule == "step" else 0
        return self.learning_rate * 0.1**drops

    def optimizer_of(self, network: nn.Module) -> torch.optim.Optimizer:
        """The optimizer over all parameters of a network."""
        import torch

        options: Mapping[str, Any] = {
            "lr": self.learning_rate,
            "weight_decay": self.weight_decay,
            "fused": True,
        }
        wanted = [p for p in network.parameters() if p.requires_grad]
        if self.optimizer == "adam":
            return torch.optim.Adam(wanted, betas=(self.momentum, 0.999), **options)
        nesterov = self.momentum > 0
        return torch.optim.SGD(wanted, momentum=self.momentum, nesterov=nesterov, **options)
