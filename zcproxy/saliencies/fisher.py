"""Fisher information of channels."""

from __future__ import annotations

from torch import Tensor

from zcproxy.errors import MeasureError
from zcproxy.probe import Probe

PASSES = ("activations",)


def fisher(probe: Probe) -> dict[str, Tensor]:
    r"""Fisher information of a weight's output channel: the loss change when the channel goes.

    .. math:: s(w) = \tfrac12 \, \mathrm{mean}_n \Big( \sum_{\text{positions}} a_{nc}
              \, \partial L / \partial a_{nc} \Big)^2 \quad\text{for every weight of channel } c

    a is the output of the layer before anything else changes it. L is the mean loss of the batch.
    Returns one tensor per weight whose layer is in the graph, of its shape and dtype.

    Source: Theis et al., arXiv:1801.05787; Turner et al., BlockSwap, ICLR 2020,
    arXiv:1906.04113; per weight as in Abdelfattah et al., ICLR 2021, arXiv:2101.08134.
    """
    information = probe.fisher_information
    result = {}
    for weight in probe.weights:
        if weight.name in information:
            if weight.channel and weight.groups > 1:
                raise MeasureError(
                    "not_applicable", f"{weight.name} is a grouped transposed convolution"
                )
            shape = [1] * probe.weight(weight.name).dim()
            shape[weight.channel] = -1
            result[weight.name] = (
                information[weight.name].view(shape).expand_as(probe.weight(weight.name))
            )
    return result
