"""SynFlow with batch norm as a proxy."""

from __future__ import annotations

from zcproxy.errors import MeasureError
from zcproxy.probe import Probe
from zcproxy.totals import total, within_range

ROUNDING = 1e-9

USES_BATCH = False


def synflow_bn(probe: Probe) -> float:
    r"""Sum of abs(W dR/dW) as SynFlow's, but with batch norm and all other norms at work.

    .. math:: \sum_w \left| w \, \frac{\partial R}{\partial |w|} \right|, \qquad
              R = \mathbf 1^\top f(\mathbf 1; |\theta|)

    in float64 on one input of ones; no data and no labels. Norms work in the mode of the protocol:
    in training mode batch norm takes mean and variance of this one input, over its positions. Then
    R hardly depends on weights before a norm but through its rounding constant, and derivatives of
    either sign occur.

    0 where nothing flows, as SynFlow.

    Raises MeasureError: of kind `not_applicable` where batch norm in training mode has one value
    per channel (a layer on single pixels), `degenerate` where nothing but rounding is left (as
    where batch norm gets ones that no padding varies), `overflow` above 1.8e308.

    Source: Abdelfattah et al., ICLR 2021, arXiv:2101.08134 (authors' code: the measure `synflow_bn`
    beside `synflow`).
    """
    value = within_range(total(probe.normalized_flow), probe.finite_parameters)
    if 0 < value < 1 and value <= ROUNDING * _size_of_weights(probe):
        raise MeasureError(
            "degenerate", "norms take all of the synaptic flow away: what is left is rounding"
        )
    return value


def _size_of_weights(probe: Probe) -> float:
    """The sum of the weights' sizes: about the flow where norms make features of order one."""
    return total({weight.name: probe.weight(weight.name).abs() for weight in probe.weights})
