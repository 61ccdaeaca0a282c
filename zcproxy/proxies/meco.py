"""MeCo."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from zcproxy.errors import MeasureError
from zcproxy.feature_maps import LayerMaps
from zcproxy.graph import reached
from zcproxy.probe import Probe

PASSES = ("again",)
USES_BATCH = False


def meco(probe: Probe) -> float:
    r"""Sum over layers of the smallest eigenvalue of the correlations between their channels.

    .. math:: \sum_l \lambda_{\min}(P_l), \qquad P_l \text{ Pearson's correlations over positions}

    of the feature maps that one image of standard normal noise, of the batch's shape, gives. Layers
    are convolutions, normalizations, activations and poolings, in modules or in functions, and
    linear layers over tokens, all with channels and more than one position, that the output
    depends on. Where channels come last, as of tokens, they still are the channels
    (`zcproxy.feature_maps.LayerMaps`): a network written that way has the value of the same one
    with channels first. A layer with a constant channel, or with more channels than positions less
    one, counts 0, which is its smallest eigenvalue or, for a constant channel, what the authors'
    code makes of it. In float64.

    Not applicable without such a layer, or if all have more channels than positions less one; with
    integer inputs; or where the network cannot take one image (batch norm of single rows).

    Raises MeasureError: of kind `not_applicable`, `disconnected` without a path from input to
    output, `nonfinite`.

    Differs: the authors' code sums over all modules of PyTorch, so that a block's output counts
    once for every module that it leaves and functions count nowhere, and takes axis 1 for the
    channels of tokens, too; it takes a real image to score NAS-Bench-201, and noise of 64 x 64 in
    another version.

    Source: Jiang et al., MeCo, NeurIPS 2023.
    """
    return correlated(probe, probe.generator("meco"), lambda channels: (channels, 1.0))


def correlated(
    probe: Probe,
    generator: torch.Generator,
    choose: Callable[[Tensor], tuple[Tensor, float]],
) -> float:
    """The sum over layers of weight times smallest eigenvalue.

    Args:
        probe: of the network.
        generator: of the noise, which is drawn first.
        choose: from all channels of a layer (C, positions) to those that count, and their weight.
    """
    found: dict[int, list[Tensor]] = defaultdict(list)
    kept: list[tuple[Tensor, Any]] = []
    several = False
    alive = probe.blueprint is not None  # such networks run nothing that the output does not need

    def count(channels: Tensor) -> None:
        nonlocal several
        chosen, weight = choose(channels)
        several |= chosen.shape[0] < chosen.shape[1]
        found[len(chosen)].append(_correlation(chosen.double()) * weight)

    def see(values: Tensor, node: Any) -> None:
        if values.dim() > 2 and values.numel() > values.shape[1]:
            channels = values.transpose(0, 1).flatten(1)
            if alive:
                count(channels)
            else:
                kept.append((channels.clone(), node))

    output = probe.again(probe.noise(generator, 1), LayerMaps(see), graph=not alive)
    if not probe.connected:
        raise MeasureError("disconnected", "no path leads from the input to the output")
    nodes = reached(output.grad_fn)
    for channels, node in kept:
        if node in nodes:
            count(channels)
    if not found:
        raise MeasureError("not_applicable", "no layer gives out channels with several positions")
    if not several:
        raise MeasureError(
            "not_applicable",
            "no layer has more positions than channels, so every smallest eigenvalue is 0",
        )
    return _sum_of_smallest(found)


def _sum_of_smallest(found: Mapping[int, list[Tensor]]) -> float:
    """The sum of the smallest eigenvalues of matrices, by size."""
    total = 0.0
    for matrices in found.values():
        stacked = torch.stack(matrices)
        if not bool(torch.isfinite(stacked).all()):
            raise MeasureError("nonfinite", "the features of noise are not finite")
        total += float(torch.linalg.eigvalsh(stacked)[:, 0].clamp_min(0).sum())
    return total


def _correlation(channels: Tensor) -> Tensor:
    """Pearson's correlations of rows; all zero where the smallest eigenvalue is to count as 0."""
    rows = channels - channels.mean(1, keepdim=True)
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    rounding = 1e-13 * torch.linalg.vector_norm(channels, dim=1, keepdim=True)
    if len(rows) >= rows.shape[1] or bool((lengths <= rounding).any()):
        return rows.new_zeros(len(rows), len(rows))
    unit: Tensor = rows / lengths
    return unit @ unit.T
