"""Saliencies become proxies by adding them up."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from zcproxy.errors import MeasureError

__all__ = [
    "log_determinant",
    "norms",
    "signal_times_expressivity",
    "signal_to_noise",
    "signals_to_noise",
    "total",
    "within_range",
]

ROUNDINGS = 100
HALF_ROUNDINGS = 4
LARGEST = 1e-4
"""No more than this part of the mean counts as rounding, unless four roundings are more."""


def total(saliency: Mapping[str, Tensor]) -> float:
    """The sum of all numbers of a saliency, in float64; 0 for an empty one."""
    sums = [scores.sum(dtype=torch.float64) for scores in saliency.values()]
    return float(torch.stack(sums).sum()) if sums else 0.0


def within_range(value: float, finite: bool) -> float:
    """A sum of a synaptic flow, whose network may have parameters that are not `finite`.

    Raises MeasureError: of kind `nonfinite` if they are the cause that it is no number, `overflow`
    if it exceeds the range of float64.
    """
    if math.isnan(value) and not finite:
        raise MeasureError("nonfinite", "a parameter is not finite")
    if not math.isfinite(value):
        raise MeasureError("overflow", "the synaptic flow exceeds the range of float64")
    return value


def norms(tensors: Mapping[str, Tensor]) -> float:
    """The sum of the L2 norms of tensors, in float64; 0 for none."""
    lengths = [torch.linalg.vector_norm(t, dtype=torch.float64) for t in tensors.values()]
    return float(torch.stack(lengths).sum()) if lengths else 0.0


def signal_to_noise(saliency: Mapping[str, Tensor]) -> float:
    """The sum of `signals_to_noise` over layers; 0 for no layer."""
    return float(sum(signals_to_noise(saliency).values()))


def signals_to_noise(saliency: Mapping[str, Tensor]) -> dict[str, float]:
    """Of every layer the sum of its saliency / standard deviation (n - 1), in float64.

    A layer of one number, or of equal ones, counts with its sum alone; numbers are equal whose
    standard deviation is at most `same` of their mean: .00001 in float32, .004 in float16, .03 in
    bfloat16.
    """
    values: dict[str, float] = {}
    for name, scores in saliency.items():
        s, unit = _scaled(scores.double().flatten())
        deviation, size = float(s.std()) if len(s) > 1 else 0.0, float(s.sum())
        rounding = same(scores.dtype) * abs(size) / max(len(s), 1)
        values[name] = size * unit if deviation <= rounding else size / deviation
    return values


def signal_times_expressivity(
    saliency: Mapping[str, Tensor], kernels: Mapping[str, Tensor]
) -> float:
    """Sum over layers of log of `signals_to_noise` times log determinant of the layer's kernel.

    A layer without any saliency, or whose kernel is singular, adds nothing; 0 for no saliency.

    Raises MeasureError: of kind `not_applicable` for a layer without a kernel, `degenerate` if all
    kernels are singular.
    """
    ratios = {name: ratio for name, ratio in signals_to_noise(saliency).items() if ratio != 0}
    if unseen := next((name for name in ratios if name not in kernels), None):
        raise MeasureError(
            "not_applicable",
            f"{unseen} works elsewhere than in a convolution or linear function (inside an "
            "attention module, or transformed), so what its layer gives out is not seen",
        )
    parts = [(ratio, log_determinant(kernels[name])) for name, ratio in ratios.items()]
    found = [math.log(ratio) * value for ratio, value in parts if value is not None]
    if parts and not found:
        raise MeasureError("degenerate", "images have dependent signs in every layer")
    return math.fsum(found)


def _scaled(values: Tensor) -> tuple[Tensor, float]:
    """Numbers over a power of two near the largest, and that power, so that squares keep in range.

    Exact, but for what is 1e300 times smaller than the largest.
    """
    largest = float(values.abs().max()) if len(values) else 0.0
    if not math.isfinite(largest) or largest == 0:
        return values, 1.0
    unit = 2.0 ** max(-1000, min(math.frexp(largest)[1], 1000))
    return values / unit, unit


def log_determinant(kernel: Tensor) -> float | None:
    """Log determinant of a symmetric positive semidefinite matrix; None if it is singular.

    It is singular if its smallest eigenvalue is at most what rounding makes of zero: n eps times
    the largest.
    """
    eigenvalues = torch.linalg.eigvalsh(kernel)
    rounding = len(kernel) * torch.finfo(kernel.dtype).eps * float(eigenvalues[-1])
    if float(eigenvalues[0]) <= rounding:
        return None
    return float(torch.linalg.slogdet(kernel).logabsdet)


def same(dtype: torch.dtype) -> float:
    """The part of their mean by which numbers of a type differ from rounding alone.

    100 roundings, a generous bound. In half precision these would be a tenth of the mean (float16)
    or most of it (bfloat16), where layers do differ: there 4, ten times the deviation that one
    rounding to the nearest makes, .3 of the type's `eps`; sums are kept in float32.
    """
    eps = torch.finfo(dtype).eps
    return min(ROUNDINGS * eps, max(LARGEST, HALF_ROUNDINGS * eps))
