"""NASWOT."""

from __future__ import annotations

from zcproxy.errors import MeasureError
from zcproxy.probe import Probe
from zcproxy.totals import log_determinant

PASSES = ("patterns",)


def nwot(probe: Probe) -> float:
    r"""Log determinant of the kernel of agreements between images' activation patterns.

    .. math:: \log \det K, \qquad K_{ij} = \#\{\text{units equally on or off for images } i, j\}

    over the units of all piecewise activations that the backward pass reaches; a unit of an
    activation with two kinks counts at each. K is exact, for activations of up to 16
    million units; the determinant is in float64.

    Raises MeasureError: of kind `not_applicable` without piecewise activations, `disconnected`
    without a path from input to output, `degenerate` if K is singular (such as two
    images of equal pattern). What is not a number is not on.

    Source: Mellor et al., Neural Architecture Search without Training, ICML 2021,
    equation 2 (the last version of arXiv:2006.04647; the first has `jacob_cov`).
    """
    if not probe.connected:
        raise MeasureError("disconnected", "no path leads from the input to the output")
    kernel, units = probe.pattern_kernel
    if units == 0:
        raise MeasureError(
            "not_applicable", "the network has no ReLU or other piecewise activation"
        )
    value = log_determinant(kernel)
    if value is None:
        raise MeasureError("degenerate", "two images, or a few, have dependent activation patterns")
    return value
