"""Saliencies become proxies by adding them up."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["norms", "signal_to_noise", "total"]

ROUNDINGS = 100


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
    standard deviation is below 100 roundings of their mean in their type.
    """
    value = 0.0
    for scores in saliency.values():
        s = scores.double().flatten()
        deviation, size = float(s.std()) if len(s) > 1 else 0.0, float(s.sum())
        rounding = ROUNDINGS * torch.finfo(scores.dtype).eps * abs(size) / max(len(s), 1)
        value += size / (1.0 if deviation <= rounding else deviation)
    return value
