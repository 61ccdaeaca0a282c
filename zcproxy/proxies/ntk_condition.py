"""Condition number of the neural tangent kernel."""

from __future__ import annotations

import torch

from zcproxy.errors import MeasureError
from zcproxy.per_image import kernel_of_outputs
from zcproxy.probe import Probe

PASSES = ("again",)

IMAGES = 16


def ntk_condition(probe: Probe) -> float:
    r"""Minus the condition number of the neural tangent kernel.

    .. math:: -\frac{\lambda_{\max}(K)}{\lambda_{\min}(K)}, \qquad
        K_{ij} = \left< \frac{d s_i}{dW}, \frac{d s_j}{dW} \right>

    s_i is the sum of the outputs of image i and W are all weights of convolution and linear layers.
    The images are the first 16 of the batch, computed as one batch whose statistics batch norm
    in training mode uses: one backward pass per image. Gradients have the type of the network, K
    and its eigenvalues are float64.

    Raises MeasureError: of kind `not_applicable` for a single image or outputs that are not one row
    per image, `disconnected`, `degenerate` if K is singular but for rounding (n eps of the
    network's type between the gradients' singular values), `nonfinite`.

    Source: Chen et al., TE-NAS, ICLR 2021, arXiv:2102.11535, section 3.1.1, equation 3. Their code
    has 72 images on NAS-Bench-201 and 14 or 24 on DARTS, training mode, and also the weights of
    batch norm in W.
    """
    if probe.batch_size < 2:
        raise MeasureError("not_applicable", "a condition number needs at least two images")
    if not probe.connected:
        raise MeasureError("disconnected", "no path leads from the input to the output")
    kernel = kernel_of_outputs(probe, IMAGES)
    if not bool(torch.isfinite(kernel).all()):
        raise MeasureError("nonfinite", "the derivative of the output by the weights is not finite")
    values = torch.linalg.eigvalsh(kernel)
    of_gradients = len(kernel) * torch.finfo(probe.output.dtype).eps  # of their singular values
    rounding = max(of_gradients**2, len(kernel) * torch.finfo(kernel.dtype).eps)
    if float(values[0]) <= rounding * float(values[-1]):
        raise MeasureError(
            "degenerate", "the images' gradients are linearly dependent, as far as rounding tells"
        )
    return -float(values[-1] / values[0])
