"""NASWOT."""

from __future__ import annotations

import torch

from zcproxy.errors import MeasureError
from zcproxy.probe import Probe

PASSES = ("patterns",)


def nwot(probe: Probe) -> float:
    r"""Log determinant of the kernel of agreements between images' activation patterns.

    .. math:: \log \det K, \qquad K_{ij} = \#\{\text{units equally on or off for images } i, j\}

    over the units of all piecewise activations that the backward pass reaches; a unit of an
    activation with two kinks counts at each. K is exact; the determinant is in float64.

    Raises MeasureError: of kind `not_applicable` without piecewise activations, `disconnected`
    without a path from input to output, `degenerate` if K is singular (two images of equal
    pattern).

    Source: Mellor et al., Neural Architecture Search without Training, ICML 2021,
    arXiv:2006.04647 version 3, equation 2.
    """
    if not probe.connected:
        raise MeasureError("disconnected", "no path leads from the input to the output")
    kernel, units = probe.pattern_kernel
    if units == 0:
        raise MeasureError("not_applicable", "the network has no ReLU or other piecewise activation")
    sign, value = torch.linalg.slogdet(kernel)
    if float(sign) <= 0 or not bool(torch.isfinite(value)):
        raise MeasureError("degenerate", "two images have the same activation pattern")
    return float(value)
