"""Jacobian covariance."""

from __future__ import annotations

import torch

from zcproxy.errors import MeasureError
from zcproxy.probe import Probe

K = 1e-5


def jacob_cov(probe: Probe) -> float:
    r"""Minus the spread of the eigenvalues of the correlations between images' input gradients.

    .. math:: -\sum_i \Big( \log(v_i + k) + \frac{1}{v_i + k} \Big), \qquad k = 10^{-5}

    v are the eigenvalues of the (N, N) correlation matrix of the rows of the input Jacobian. In
    float64; eigenvalues below zero, which are rounding, count as zero.

    Raises MeasureError: of kind `disconnected` or `degenerate` if a row is constant,
    `not_applicable` for a single image.

    Source: Mellor et al., version 1 of arXiv:2006.04647; Abdelfattah et al., ICLR 2021.
    """
    jacobian = probe.input_jacobian.double()
    if len(jacobian) < 2:
        raise MeasureError("not_applicable", "correlations between images need at least two images")
    rows = jacobian - jacobian.mean(1, keepdim=True)
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    rounding = 1e-13 * torch.linalg.vector_norm(jacobian, dim=1, keepdim=True)
    if not bool(torch.isfinite(lengths).all()):
        raise MeasureError("nonfinite", "the derivative of the output by the input is not finite")
    if not bool((lengths > rounding).all()):
        raise MeasureError("degenerate", "the output's derivative by an image is constant over it")
    unit = rows / lengths
    values = torch.linalg.eigvalsh(unit @ unit.T).clamp_min(0)
    return -float((torch.log(values + K) + 1 / (values + K)).sum())
