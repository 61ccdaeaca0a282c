"""T-CET with SNIP."""

from __future__ import annotations

from zcproxy.probe import Probe
from zcproxy.saliencies.snip import snip as connection_sensitivity
from zcproxy.totals import signal_times_expressivity

PASSES = ("signs",)


def t_cet_snip(probe: Probe) -> float:
    r"""Sum over layers of SNIP's signal over noise times log determinant of output signs.

    .. math:: \sum_l \frac{\sum_{w \in l} s(w)}{\sigma_l} \log \det K_l, \qquad
              K_{l,ij} = \#\{\text{outputs of } l \text{ equally positive or not for images } i, j\}

    with the ratio of `snr_snip` over the convolution and linear layers that the backward pass
    reaches, and K_l of what the layer itself gives out, before any norm or activation. A layer
    whose K_l is singular (such as a classifier of few classes) adds nothing. K_l is exact; the
    determinant is in float64. The paper could not be read: this is the form in which two public
    codes agree, and signs are those of the pass that everything else is measured in, where one of
    them takes one in evaluation mode.

    A network of which no weight has a part in the output has the value 0, as `snip`.

    Raises MeasureError: of kind `not_applicable` where a weight works elsewhere than in a
    convolution or linear function or a layer does not give out one row per image, `degenerate` if
    every K_l is singular.

    Source: Xiang et al., Exploiting Network Compressibility and Topology in Zero-Cost NAS, AutoML
    2023, as in the package alethiometer 1.1.2, measure `tcet_snip_none`. Differs: there layers are
    paired in the order in which they run with layers in the order in which they were made; here
    each with itself.
    """
    return signal_times_expressivity(connection_sensitivity(probe), probe.sign_kernels)
