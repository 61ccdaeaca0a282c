"""Signal-to-noise ratio of SynFlow."""

from __future__ import annotations

from zcproxy.errors import MeasureError
from zcproxy.probe import Probe
from zcproxy.saliencies.synflow import synflow as synaptic_flow
from zcproxy.totals import signal_to_noise

USES_BATCH = False


def snr_synflow(probe: Probe) -> float:
    r"""Sum over layers of SynFlow's saliency divided by its standard deviation in the layer.

    .. math:: \sum_l \frac{\sum_{w \in l} s(w)}{\sigma_l}, \qquad s = \text{SynFlow}

    with the standard deviation of n - 1; a layer of equal saliencies (but for rounding, or of one)
    gives their sum. In float64, no data and no labels; costs nothing beside `synflow`. The paper
    that the measure is ascribed to could not be read: this is the definition of public code.

    0 for a disconnected network, as SynFlow.

    Raises MeasureError: of kind `nonfinite` for weights that are not finite, `overflow` where the
    ratio exceeds the range of float64.

    Source: the package alethiometer 1.1.2, measure `snr_syn`.
    """
    value = signal_to_noise(synaptic_flow(probe))
    if value != value and not all(bool(p.isfinite().all()) for p in probe.parameters.values()):
        raise MeasureError("nonfinite", "a parameter is not finite")
    if value != value or value == float("inf"):
        raise MeasureError("overflow", "the synaptic flow exceeds the range of float64")
    return value
