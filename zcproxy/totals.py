"""Saliencies become proxies by adding them up."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["norms", "signal_to_noise", "total"]

ROUNDINGS = 100
HALF_ROUNDINGS = 4
LARGEST = 1e-4
"""No more than this part of the mean counts as rounding, unless four roundings are more."""


def total(saliency: Mapping[str, Tensor]) -> float:
    """The sum of all numbers of a saliency, in float64; 0 for an empty one."""
    sums = [scores.sum(dtype=torch.float64) for scores in saliency.values()]
    return float(torch.stack(sums).sum()) if sums else 0.0


def norms(tensors: Mapping[str, Tensor]) -> float:
    """The sum of the L2 norms of tensors, in float64; 0 for none."""
    lengths = [torch.linalg.vector_norm(t, dtype=torch.float64) for t in tensors.values()]
    return float(torch.stack(lengths).sum()) if lengths else 0.0


def signal_to_noise(saliency: Mapping[str, Tensor]) -> float:
    """The sum over layers of sum / standard deviation (n - 1), in float64; 0 for no layer.

    A layer of one number, or of equal ones, counts with its sum alone; numbers are equal whose
    standard deviation is at most `same` of their mean: .00001 in float32, .004 in float16, .03 in
    bfloat16.
    """
    value = 0.0
    for scores in saliency.values():
        s = scores.double().flatten()
        deviation, size = float(s.std()) if len(s) > 1 else 0.0, float(s.sum())
        rounding = same(scores.dtype) * abs(size) / max(len(s), 1)
        value += size / (1.0 if deviation <= rounding else deviation)
    return value


def same(dtype: torch.dtype) -> float:
    """The part of their mean by which numbers of a type differ from rounding alone.

    100 roundings, a generous bound. In half precision these would be a tenth of the mean (float16)
    or most of it (bfloat16), where layers do differ: there 4, ten times the deviation that one
    rounding to the nearest makes, .3 of the type's `eps`; sums are kept in float32.
    """
    eps = torch.finfo(dtype).eps
    return min(ROUNDINGS * eps, max(LARGEST, HALF_ROUNDINGS * eps))
