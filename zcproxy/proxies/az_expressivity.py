"""Expressivity, of AZ-NAS."""

from __future__ import annotations

import torch

from zcproxy.errors import MeasureError
from zcproxy.probe import Probe

PASSES = ("blocks",)


def az_expressivity(probe: Probe) -> float:
    r"""Sum over blocks of the entropy of the normalized eigenvalues of their features.

    .. math:: \sum_l - \sum_i \tilde\lambda_{li} \log \tilde\lambda_{li}, \qquad
              \tilde\lambda_l = \lambda_l / \lVert \lambda_l \rVert_1

    lambda_l are the eigenvalues of the covariance of the channels, over images and positions, of
    feature map l: what enters the first primary block (on cell networks, what the stem gives) and
    what every primary block gives out (`zcproxy.blocks.primary_blocks`, which also says where they
    are looked for in a network that wraps another one). In the protocol's batch
    and initialization: the paper's are standard normal noise and Kaiming's.

    Not applicable without primary blocks whose outputs are feature maps (N, C, H, W).

    Raises MeasureError: of kind `not_applicable`, `disconnected` without a path from input to
    output, `degenerate` if the features of a block do not vary, `nonfinite`.

    Differs: the authors' code adds 1e-8 within the logarithm.

    Source: Lee & Ham, AZ-NAS, CVPR 2024, arXiv:2403.19232, section 3.1.
    """
    return sum(entropies(probe))


def entropies(probe: Probe) -> list[float]:
    """The entropy of every feature map between blocks, in order; at most log C."""
    found = []
    for features in probe.block_maps:
        if not bool(torch.isfinite(features.covariance).all()):
            raise MeasureError("nonfinite", "the features of a block are not finite")
        total = features.spectrum.sum()
        if float(total) <= 0:
            raise MeasureError("degenerate", "the features of a block do not vary")
        found.append(float(torch.special.entr(features.spectrum / total).sum()))
    return found
