"""SynFlow as a proxy."""

from __future__ import annotations

from zcproxy.probe import Probe
from zcproxy.saliencies.synflow import synflow as synaptic_flow
from zcproxy.totals import total, within_range

USES_BATCH = False


def synflow(probe: Probe) -> float:
    """Sum of SynFlow's abs(W dR/dW) over all weights, in float64.

    Raises MeasureError of kind `overflow` above 1.8e308.

    Source: Tanaka et al., NeurIPS 2020, arXiv:2006.05467; as a proxy Abdelfattah et al., ICLR
    2021, arXiv:2101.08134.
    """
    return within_range(total(synaptic_flow(probe)), probe.finite_parameters)
