"""ZiCo."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zcproxy.errors import MeasureError
from zcproxy.probe import Probe

PASSES = ("again",)


def zico(probe: Probe) -> float:
    r"""Inverse coefficient of variation of gradients between the two halves of the batch.

    .. math:: \sum_l \log \sum_{w \in W_l} \frac{\mathrm{mean}_b |g_{bw}|}{\mathrm{std}_b\, g_{bw}}

    g_b is the gradient of the mean loss of half b (the first N // 2 images, and the rest), each
    with its own forward and backward pass and its own batch statistics; std is the population
    standard deviation, so that a term is (|g_1| + |g_2|) / |g_1 - g_2|. l runs over the weights of
    convolution and linear layers. Weights whose gradients are equal in both halves are left out,
    and so are layers of nothing else; those that differ by rounding alone are not, as in the
    authors' code, and count much (halves of one and the same image). Gradients have the type of
    the network, all else is float64.

    Raises MeasureError: of kind `not_applicable` for fewer than two images, or where a half cannot
    be measured by itself; `disconnected`; `degenerate` if no weight is left; `nonfinite`.

    Source: Li et al., ICLR 2023, arXiv:2301.11300, with two batches and, as in the authors'
    code, the deviation of g. Differs: their code never clears gradients, so that its second g is
    the sum of both; the code of AZ-NAS, which measures ZiCo on
    NAS-Bench-201, clears them.
    """
    if probe.batch_size < 2:
        raise MeasureError("not_applicable", "variation between batches needs at least two images")
    if not probe.connected:
        raise MeasureError("disconnected", "no path leads from the input to the output")
    middle = probe.batch_size // 2
    first = probe.part(slice(middle), Probe).gradients
    second = probe.part(slice(middle, None), Probe).gradients
    layers = [
        total
        for name in first
        if name in second and (total := _certainty(first[name], second[name])) != 0
    ]
    if not layers:
        raise MeasureError("degenerate", "both halves of the batch have the same gradients")
    return math.fsum(map(math.log, layers))


def _certainty(first: Tensor, second: Tensor) -> float:
    """Sum of mean over deviation of a layer's weights."""
    a, b = first.double(), second.double()
    apart = (a - b).abs()
    moved = apart != 0  # also where a gradient is not a number
    return float(torch.where(moved, (a.abs() + b.abs()) / apart, 0).sum())
