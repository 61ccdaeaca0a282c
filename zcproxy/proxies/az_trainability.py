"""Trainability, of AZ-NAS."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zcproxy.blocks import FeatureMap
from zcproxy.calls import differentiate
from zcproxy.errors import MeasureError
from zcproxy.probe import Probe
from zcproxy.second_order import without_weight_gradients

PASSES = ("blocks",)


def az_trainability(probe: Probe) -> float:
    r"""How close to 1 the largest singular values of the blocks' Jacobians are, on average.

    .. math:: \operatorname{mean}_l \Big( 2 - \sigma_l - \frac{1}{\sigma_l} \Big), \qquad
              \sigma_l = \sigma_{\max} \big( E[ (J_l^T v) v^T ] \big)

    J_l is the Jacobian of what primary block l gives out by what entered it, channels by channels,
    v has random signs at every channel, position and image, and the expectation is over positions
    and images. Where the block makes the map s times smaller, the s x s positions that fall on one
    are taken as channels. Feature maps, batch and initialization are as in `az_expressivity`.

    Not applicable without primary blocks, where they do not follow each other, or where a map does
    not shrink by a whole number, equally in height and width.

    Raises MeasureError: of kind `not_applicable`, `disconnected`, `nonfinite`, `degenerate` if a
    block is the identity, whose gradient is its own (minus infinity in the authors' code), or
    has no gradient.

    Differs: the authors' code adds 1e-6 to a denominator.

    Source: Lee & Ham, AZ-NAS, CVPR 2024, arXiv:2403.19232, section 3.1.
    """
    generator = probe.generator("az_trainability")
    maps = probe.block_maps
    sizes = [_gain(one, other, generator) for one, other in itertools.pairwise(maps)]
    if not sizes:
        raise MeasureError("not_applicable", "one feature map alone has no Jacobian")
    return sum(2 - size - 1 / size for size in sizes) / len(sizes)


def _gain(before: FeatureMap, after: FeatureMap, generator: torch.Generator) -> float:
    """The largest singular value of a block's Jacobian between channels, estimated."""
    if after.edge is None:
        raise MeasureError("disconnected", f"block {after.name} depends on nothing")
    signs = _signs(after, generator)
    gradient = _gradient(before, after, signs)
    if gradient.shape == signs.shape and torch.equal(gradient, signs):
        raise MeasureError("degenerate", f"block {after.name} is the identity")
    matrix = (_rows(_folded(gradient, after)).T @ _rows(signs)).double()
    if not bool(torch.isfinite(matrix).all()):
        raise MeasureError("nonfinite", f"the gradient of block {after.name} is not finite")
    size = float(torch.linalg.matrix_norm(matrix, 2)) / (signs.numel() // signs.shape[1])
    if size == 0:
        raise MeasureError("degenerate", f"block {after.name} has no gradient")
    return size


def _gradient(before: FeatureMap, after: FeatureMap, signs: Tensor) -> Tensor:
    if before.edge is None or after.edge is None:
        raise MeasureError("disconnected", f"what enters block {after.name} depends on nothing")
    if before.edge == after.edge:
        return signs
    with without_weight_gradients():
        (found,) = differentiate(after.edge, [before.edge], grad_outputs=[signs], retain_graph=True)
    if found is None:
        raise MeasureError("not_applicable", f"block {after.name} does not follow the one before")
    gradient: Tensor = found
    return gradient


def _folded(gradient: Tensor, after: FeatureMap) -> Tensor:
    """A gradient with as many positions as the map that leaves the block."""
    (height, width), (h, w) = gradient.shape[2:], after.shape[2:]
    factor = height // h
    if (height, width) != (factor * h, factor * w):
        raise MeasureError(
            "not_applicable",
            f"block {after.name} makes maps of {height} x {width} to {h} x {w}, "
            "not smaller by one whole number",
        )
    return gradient if factor == 1 else F.pixel_unshuffle(gradient, factor)


def _signs(like: FeatureMap, generator: torch.Generator) -> Tensor:
    """Random signs (N, C, H, W), with the channels of a position side by side in memory."""
    n, c, h, w = like.shape
    numbers = n * c * h * w
    octets = torch.randint(256, (-(-numbers // 8),), generator=generator, dtype=torch.uint8)
    bits = torch.from_numpy(np.unpackbits(octets.numpy(), count=numbers))
    signs = bits.to(like.like.device, like.like.dtype).mul_(2).sub_(1)
    return signs.view(n, h, w, c).permute(0, 3, 1, 2)


def _rows(values: Tensor) -> Tensor:
    """Channels of every position of every image, (N H W, C), in float32 at least."""
    rows = values.permute(0, 2, 3, 1).reshape(-1, values.shape[1])
    return rows if rows.dtype is torch.float64 else rows.float()
