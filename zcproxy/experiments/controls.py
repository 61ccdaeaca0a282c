"""The controls of an audit: what a mask is compared with, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zcproxy.errors import unknown

if TYPE_CHECKING:
    from torch import Tensor, nn

    from zcproxy.pruning import Mask

__all__ = ["MEANINGS", "Audited", "check", "control", "names"]

APART = 1_000_003
"""Added to the seed of a cell for other initial weights, which no cell has."""

MEANINGS = {
    "shuffled": "the mask shuffled at random within every layer",
    "reinitialized": "the mask on other initial weights of the same distribution",
    "inverted": "as many weights of every layer, those of the lowest scores",
    "random": "random weights, as many of every layer (a second sample of `shuffled`)",
    "erk": "random weights, as many in all, in the layer ratios of ERK",
}
"""What each control trains instead of the mask."""


@dataclass(frozen=True)
class Audited:
    """A mask with its network, and what its controls are made of.

    Attributes:
        rebuild: from a seed to a network of the same model.
        scores: computes the scores that the mask's method gives the weights of the network.
    """

    network: nn.Module
    mask: Mask
    seed: int
    rebuild: Callable[[int], nn.Module]
    scores: Callable[[], Mapping[str, Tensor]]


def names() -> list[str]:
    """Names of the controls, in the order of reports."""
    return list(MEANINGS)


def check(name: str) -> None:
    """Raise InputError, with the nearest name, unless there is such a control."""
    if name not in MEANINGS:
        raise unknown("control", name, MEANINGS)


def control(name: str, of: Audited) -> tuple[nn.Module, Mask]:
    """The network and the mask that are trained instead.

    Raises: InputError for an unknown name.
    """
    from zcproxy.pruning import controls

    check(name)
    if name == "reinitialized":
        return of.rebuild(of.seed + APART), of.mask
    if name == "inverted":
        return of.network, controls.inverted(of.mask, of.scores())
    if name == "erk":
        return of.network, controls.erk_like(of.mask, of.network, of.seed)
    drawn = controls.shuffled if name == "shuffled" else controls.random_like
    return of.network, drawn(of.mask, of.seed)
