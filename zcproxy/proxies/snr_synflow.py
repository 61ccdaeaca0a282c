"""Signal-to-noise ratio of SynFlow."""

from __future__ import annotations

from zcproxy.probe import Probe
from zcproxy.saliencies.synflow import synflow as synaptic_flow
from zcproxy.totals import signal_to_noise, within_range

USES_BATCH = False


def snr_synflow(probe: Probe) -> float:
    r"""Sum over layers of SynFlow's saliency divided by its standard deviation in the layer.

    .. math:: \sum_l \frac{\sum_{w \in l} s(w)}{\sigma_l}, \qquad s = \text{SynFlow}

    with the standard deviation of n - 1; a layer of equal saliencies (but for rounding, or of one)
    gives their sum. In float64, no data and no labels; costs nothing beside `synflow`.

    0 where nothing flows, as SynFlow.

    Raises MeasureError: of kind `nonfinite` for weights that are not finite, `overflow` where the
    ratio exceeds the range of float64.

    Source: the ratio within T-CET (`t_cet_synflow`), Xiang et al., AutoML 2023, by their code; by
    itself in the package alethiometer 1.1.2, measure `snr_syn`.
    """
    return within_range(signal_to_noise(synaptic_flow(probe)), probe.finite_parameters)
