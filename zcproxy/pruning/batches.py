"""Several batches that count as one, and a loss with temperature: what published recipes need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from zcproxy.errors import InputError
from zcproxy.probe import Inputs, Loss

__all__ = ["Batches", "halves", "tempered"]


class Batches:
    """Batches whose mean losses are averaged, each normalized by its own batch statistics.

    Gradients are those of the average: they are added up before a saliency is taken, so SNIP is
    the absolute value of a mean, and GraSP's Hessian product is the sum over batches. All batches
    are held in memory at once.

    Args:
        pairs: inputs (as for `zcproxy.score`) and targets of every batch; at least one.

    Raises:
        InputError: there is no batch.
    """

    def __init__(self, pairs: Sequence[tuple[Inputs, Any]]) -> None:
        self.pairs = list(pairs)
        if not self.pairs:
            raise InputError("there must be at least one batch")

    @property
    def first(self) -> tuple[Inputs, Any]:
        """Inputs and targets of the first batch."""
        return self.pairs[0]


def halves(inputs: Tensor, targets: Tensor) -> Batches:
    """Two batches with half of every class each, as GraSP's authors split theirs.

    Args:
        inputs: (N, ...).
        targets: (N,) class numbers.

    Source: Wang et al., GraSP, ICLR 2020, arXiv:2002.07376, appendix; the authors' released code.
    """
    order = torch.argsort(targets, stable=True)
    parts = (order[0::2], order[1::2])
    if not len(parts[1]):
        raise InputError("a batch of one example has no halves")
    return Batches([(inputs[part], targets[part]) for part in parts])


def tempered(temperature: float, loss: Loss | None = None) -> Loss:
    """A loss of the output divided by a temperature; GraSP's authors use 200.

    Args:
        temperature: positive; 1 changes nothing.
        loss: from output and targets to a scalar; default cross-entropy.

    Raises:
        InputError: the temperature is not positive.
    """
    if not temperature > 0:
        raise InputError(f"the temperature must be positive, it is {temperature}")
    inner = F.cross_entropy if loss is None else loss

    def divided(output: Any, targets: Any) -> Tensor:
        return inner(output / temperature, targets)

    return divided
