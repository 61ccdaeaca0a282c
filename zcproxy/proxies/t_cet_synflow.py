"""T-CET with SynFlow."""

from __future__ import annotations

from zcproxy.probe import Probe
from zcproxy.proxies.snr_synflow import snr_synflow
from zcproxy.saliencies.synflow import synflow as synaptic_flow
from zcproxy.totals import signal_times_expressivity

PASSES = ("again",)


def t_cet_synflow(probe: Probe) -> float:
    r"""Sum over layers of log of SynFlow's signal over noise times log determinant of output signs.

    .. math:: \sum_l \log \frac{\sum_{w \in l} s(w)}{\sigma_l} \; \log \det K_l, \qquad
              s = \text{SynFlow}

    with the ratio of `snr_synflow`, and K_l as in `t_cet_snip`: in how many outputs of the layer
    two images are equally positive or not, in evaluation mode. A layer without saliency, or whose
    K_l is singular, adds nothing. No labels.

    0 where nothing flows, as SynFlow.

    Raises MeasureError: as `t_cet_snip` and `snr_synflow` do.

    Source: Xiang et al., Exploiting Network Compressibility and Topology in Zero-Cost NAS, AutoML
    2023, by the authors' code; differs as `t_cet_snip`.
    """
    snr_synflow(probe)  # raises for weights that are not finite, and for an overflow
    return signal_times_expressivity(synaptic_flow(probe), probe.sign_kernels)
