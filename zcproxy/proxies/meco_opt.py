"""MeCo on a few channels."""

from __future__ import annotations

import torch
from torch import Tensor

from zcproxy.probe import Probe
from zcproxy.proxies.meco import PASSES as PASSES
from zcproxy.proxies.meco import correlated

CHANNELS = 8

USES_BATCH = False


def meco_opt(probe: Probe) -> float:
    r"""MeCo on 8 channels of every layer, drawn at random, each layer weighted by its width.

    .. math:: \sum_l \frac{C_l}{8} \lambda_{\min}(P_l), \qquad P_l \text{ over the 8 channels drawn}

    Layers of 8 channels or fewer count as in `meco`. Image and channels are drawn by the seed.

    Applies where `meco` does, and fails as it does.

    Differs: as `meco`. That 8 channels are drawn is from the authors' code.

    Source: Jiang et al., MeCo, NeurIPS 2023.
    """
    generator = probe.generator("meco_opt")

    def some(channels: Tensor) -> tuple[Tensor, float]:
        if len(channels) <= CHANNELS:
            return channels, 1.0
        drawn = torch.randperm(len(channels), generator=generator)[:CHANNELS]
        return channels[drawn.to(channels.device)], len(channels) / CHANNELS

    return correlated(probe, generator, some)
