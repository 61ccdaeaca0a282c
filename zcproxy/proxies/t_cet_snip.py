"""T-CET with SNIP."""

from __future__ import annotations

from zcproxy.probe import Probe
from zcproxy.saliencies.snip import snip as connection_sensitivity
from zcproxy.totals import signal_times_expressivity

PASSES = ("again",)


def t_cet_snip(probe: Probe) -> float:
    r"""Sum over layers of log of SNIP's signal over noise times log determinant of output signs.

    .. math:: \sum_l \log \frac{\sum_{w \in l} s(w)}{\sigma_l} \; \log \det K_l, \qquad
              K_{l,ij} = \#\{\text{outputs of } l \text{ equally positive or not for images } i, j\}

    with the ratio of `snr_snip` over the convolution and linear layers that the backward pass
    reaches, and K_l of what the layer itself gives out, before any norm or activation, in
    evaluation mode. A layer without saliency, or whose K_l is singular (such as a classifier of few
    classes), adds nothing. All uses of a layer count. The determinant is in float64.

    A network of which no weight has a part in the output has the value 0, as `snip`.

    Raises MeasureError: of kind `not_applicable` where a weight works elsewhere than in a
    convolution or linear function, a layer does not give out one row per image, or the network
    cannot run in evaluation mode; `degenerate` if every K_l is singular; `nonfinite`.

    Source: Xiang et al., Exploiting Network Compressibility and Topology in Zero-Cost NAS, AutoML
    2023, by the authors' code (the paper could not be read). Differs: of a singular K_l their
    code takes what rounding in float32 leaves of the determinant, or 0 where that is nothing.
    """
    return signal_times_expressivity(connection_sensitivity(probe), probe.sign_kernels)
