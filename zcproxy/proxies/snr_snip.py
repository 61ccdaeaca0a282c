"""Signal-to-noise ratio of SNIP."""

from __future__ import annotations

from zcproxy.probe import Probe
from zcproxy.saliencies.snip import snip as connection_sensitivity
from zcproxy.totals import signal_to_noise


def snr_snip(probe: Probe) -> float:
    r"""Sum over layers of SNIP's saliency divided by its standard deviation in the layer.

    .. math:: \sum_l \frac{\sum_{w \in l} s(w)}{\sigma_l}, \qquad s = |w \, \partial L / \partial w|

    with the standard deviation of n - 1; a layer of equal saliencies (but for rounding, or of one)
    gives their sum. Uses the gradient of the batch's loss and costs nothing beside `snip`.

    A network of which no weight has a part in the output has the value 0, as `snip`.

    Source: the ratio within T-CET (`t_cet_snip`), Xiang et al., AutoML 2023, by their code; by
    itself in the package alethiometer 1.1.2, measure `snr_snip`.
    """
    return signal_to_noise(connection_sensitivity(probe))
