"""The primary blocks of a network, and the feature maps between them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from zcproxy.errors import MeasureError

__all__ = ["BlockMaps", "FeatureMap", "primary_blocks"]

CONSTANT = 10
"""Roundings of their mean by which numbers may differ that are one constant."""

_CONTAINERS = (nn.Sequential, nn.ModuleList)


def primary_blocks(network: nn.Module) -> dict[str, nn.Module]:
    """The primary blocks by name: outermost members of containers that have layers inside.

    A container is an `nn.Sequential` or `nn.ModuleList`. A plain container is a block only if all
    its members are single layers, so of stages of blocks the blocks count, not the stages. Cells
    and reduction blocks of NAS-Bench-201, residual blocks of a ResNet, inverted residuals of a
    MobileNet are found; a plain sequence of layers has none. If the only block holds
    blocks itself, as the backbone does in a sequence of backbone, pooling and head, the blocks are
    those inside.
    """
    found = dict(_blocks("", network))
    while len(found) == 1:
        ((name, block),) = found.items()
        inside = dict(_blocks(f"{name}.", block))
        if not inside:
            break
        found = inside
    return found


def _blocks(prefix: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if isinstance(module, _CONTAINERS) and _is_block(child):
            yield prefix + name, child
        else:
            yield from _blocks(f"{prefix}{name}.", child)


def _is_block(module: nn.Module) -> bool:
    members = list(module.children())
    if type(module) in _CONTAINERS:
        return bool(members) and not any(_has_layers(member) for member in members)
    return bool(members)


def _has_layers(module: nn.Module) -> bool:
    return next(module.children(), None) is not None


@dataclass(frozen=True)
class FeatureMap:
    """A feature map between blocks, as numbers rather than as values.

    Attributes:
        name: of the block it leaves; empty for what enters the first.
        shape: (N, C, H, W).
        covariance: of the channels over images and positions, (C, C) float64.
        edge: where it lies in the graph; None if it depends on nothing.
        like: an empty tensor of its type and device.
    """

    name: str
    shape: tuple[int, int, int, int]
    covariance: Tensor
    edge: GradientEdge | None
    like: Tensor

    @property
    def multiply_adds(self) -> int:
        """Those of the covariance."""
        n, c, h, w = self.shape
        return n * h * w * c * c

    @cached_property
    def spectrum(self) -> Tensor:
        """Eigenvalues of the covariance, ascending, those below zero by rounding as zero."""
        eigenvalues: Tensor = torch.linalg.eigvalsh(self.covariance).clamp_min_(0)
        return eigenvalues


@dataclass
class BlockMaps:
    """Collects the feature maps between the blocks of a network while it runs.

    Values are taken at once and the graph is remembered by its edge, so that what later
    operations overwrite does not matter and nothing is kept alive. Blocks after the last map are a
    head, whatever they give out; `obstacle` says why there are no maps, if another block gives out
    something else, and `head` what the first block of the head does.

    Args:
        images: the size of the batch.
    """

    images: int
    maps: list[FeatureMap] = field(default_factory=list)
    obstacle: str = ""
    head: str = ""

    @contextlib.contextmanager
    def watching(self, network: nn.Module) -> Iterator[None]:
        """Follow the blocks of a network inside; its own hooks stay as they are."""
        handles: list[Any] = []
        try:
            for name, block in primary_blocks(network).items():
                handles.append(block.register_forward_pre_hook(self._entered, with_kwargs=True))
                handles.append(block.register_forward_hook(self._left(name)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _entered(self, block: nn.Module, args: Any, kwargs: Any) -> None:
        given = [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]
        if not self.maps and given:
            self._add("", given[0])

    def _left(self, name: str) -> Any:
        def left(block: nn.Module, args: Any, output: Any) -> None:
            self._add(name, output)

        return left

    def _add(self, name: str, values: Any) -> None:
        if isinstance(values, Tensor) and values.dim() == 4 and len(values) == self.images:
            self.obstacle = self.obstacle or self.head
            n, c, h, w = values.shape
            edge = get_gradient_edge(values) if values.requires_grad else None
            covariance = channel_covariance(values.detach())
            self.maps.append(FeatureMap(name, (n, c, h, w), covariance, edge, values.new_empty(0)))
        elif not self.head:
            where = f"block {name} gives out" if name else "what enters the first block is"
            what = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            self.head = f"{where} {what}, not a feature map (images, channels, height, width)"

    def found(self) -> list[FeatureMap]:
        """The maps in the order of the forward pass, from what enters the first block on.

        Raises MeasureError of kind `not_applicable` if there are none.
        """
        if obstacle := self.obstacle or ("" if len(self.maps) > 1 else self.head):
            raise MeasureError("not_applicable", obstacle)
        if not self.maps:
            raise MeasureError(
                "not_applicable",
                "the network has no primary blocks: modules with layers inside, as members of an "
                "nn.Sequential or nn.ModuleList",
            )
        return self.maps


def channel_covariance(values: Tensor) -> Tensor:
    """Covariance of the channels of (N, C, H, W) over all else, (C, C) float64.

    Zero where the channels vary by no more than rounding makes of constants.
    """
    rows = values.permute(0, 2, 3, 1).reshape(-1, values.shape[1])
    rows = rows if rows.dtype is torch.float64 else rows.float()
    means = rows.mean(0)
    centered = rows - means
    covariance = (centered.T @ centered).double() / len(rows)
    constant = CONSTANT * torch.finfo(rows.dtype).eps * means.double().square().sum().sqrt()
    return torch.where(covariance.trace().sqrt() <= constant, 0.0, covariance)
