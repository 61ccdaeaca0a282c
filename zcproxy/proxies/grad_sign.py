"""GradSign."""

from __future__ import annotations

from zcproxy.errors import MeasureError
from zcproxy.per_image import sign_sums
from zcproxy.probe import Probe

PASSES = ("again",)


def grad_sign(probe: Probe) -> float:
    r"""How much the gradients of single images agree in sign.

    .. math:: \sum_w \Big| \sum_n \mathrm{sign}\, \frac{dl_n}{dw} \Big|

    l_n is the loss of image n as a batch of its own: batch norm in training mode normalizes every
    image by itself, as in the authors' code. w runs over all weights of convolution and linear
    layers. In the type of the network; the sums of signs are exact.

    Images that do not touch are measured in one forward and one backward pass, others one by one.
    Whether they do is seen by the first and the last image of the batch, which must have the same
    outputs alone (of networks of cells, the last).

    Raises MeasureError: of kind `not_applicable` where a single image cannot be measured, as with
    batch norm of vectors in training mode; `disconnected`, `nonfinite`.

    Source: Zhang and Jia, GradSign, ICLR 2022, arXiv:2110.08616, algorithm 1, which is this sum
    over weights, as in the authors' code (`grad_conflict`). The mean over weights, which AZ-NAS's
    code takes, is another measure; this one took it, too, until its correlation on 39 networks was
    seen to be negative.
    """
    if not probe.connected:
        raise MeasureError("disconnected", "no path leads from the input to the output")
    sums = sign_sums(probe)
    if not sums:
        raise MeasureError("disconnected", "the loss does not depend on any weight")
    return sum(float(total.abs().double().sum()) for total in sums.values())
