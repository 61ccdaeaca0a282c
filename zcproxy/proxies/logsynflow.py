"""LogSynflow."""

from __future__ import annotations

import torch

from zcproxy.errors import MeasureError
from zcproxy.probe import Probe
from zcproxy.totals import total, within_range

USES_BATCH = False


def logsynflow(probe: Probe) -> float:
    r"""Sum of SynFlow's saliency with the logarithm of its gradient, which tames its range.

    .. math:: \sum_w |w| \, \left| \log\Big(1 + \frac{\partial R}{\partial |w|}\Big) \right|

    R as in SynFlow: sum of outputs of the network with absolute parameters, normalizations as the
    protocol says, on one input of ones, in float64; no data and no labels. The gradient is never
    negative where activations do not fall; costs nothing beside `synflow`.

    0 where nothing flows, as SynFlow.

    Raises MeasureError: of kind `not_applicable` where a gradient is at or below -1 (an activation
    that falls), `overflow` where one exceeds 1.8e308.

    Source: Cavagnero et al., FreeREA, WACV 2023, arXiv:2207.05135 (authors' code).
    """
    gradients = probe.synaptic_gradients
    if any(bool((g <= -1).any()) for g in gradients.values()):
        raise MeasureError(
            "not_applicable", "a synaptic gradient is at or below -1, where 1 + it has no logarithm"
        )
    value = total(
        {name: probe.weight(name).abs() * torch.log1p(g).abs() for name, g in gradients.items()}
    )
    return within_range(value, probe.finite_parameters)
