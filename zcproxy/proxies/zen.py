"""Zen-score."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zcproxy.errors import MeasureError
from zcproxy.feature_maps import PooledMap
from zcproxy.graph import reached
from zcproxy.probe import Batch, Probe

PASSES = ("again",)
USES_BATCH = False

ALPHA = 0.01
IMAGES = 16
MOMENTUM = 0.1
AXES = "(images, channels, height, width)"

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_LAYERS = (*_CONVOLUTIONS, *_TRANSPOSED, nn.Linear)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
_NORMS = (*_BATCH_NORMS, *_INSTANCE_NORMS, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
_ATTENTION = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
_ATTENTION_BIASES = ("in_proj_bias", "bias_k", "bias_v")


def zen(probe: Probe) -> float:
    r"""Log of how far a small change of noise moves the last feature map of a Gaussian network.

    .. math:: \log E_{x, \epsilon} \lVert f(x) - f(x + \alpha \epsilon) \rVert_1
              + \sum_i \log \sqrt{\operatorname{mean}_c \sigma_{ic}^2}, \qquad \alpha = 0.01

    x and epsilon are standard normal, 16 of each in the shapes of the batch's inputs; weights of
    convolution (also transposed), linear and attention layers are standard normal, their biases 0,
    norms 1 and 0: this is the definition, so neither the batch's values nor the network's
    initialization matter. f is the last map (N, C, H, W) that loses its positions, by global
    pooling or flattening (`zcproxy.feature_maps.PooledMap`), and the sum runs over all batch norms;
    what the output does not depend on counts in neither. sigma^2 is, per channel c, what batch
    norm i keeps as its running variance from 1 after both passes, 0.81 + 0.09 v + 0.1 v' with the
    population variances v and v' of the two batches; in evaluation mode its own. One draw of
    weights, by the seed, in the order of the network's modules, then the inputs; for repeats, score
    with several seeds (more than 16 inputs do not bring these closer). In the network's type.

    Not applicable without a feature map that is pooled or flattened, or if layers with weights
    still run on positions after it, as in a transformer; with integer inputs.

    Raises MeasureError: of kind `not_applicable`, `disconnected` without a path from input to
    output, `degenerate` if the map does not move, `overflow` if it is not finite.

    Differs: the paper has the Frobenius norm and the variance of the batch, and removes residual
    connections first. Norm and variance here are those of the authors' code, which made the
    published scores: on 150 networks of NAS-Bench-201, ranks agree by .998 with the scores that
    NAS-Bench-Suite-Zero released, and with the paper's norm and variance by .973. Connections
    stay, as an arbitrary module does not allow otherwise, and as in those scores. The authors
    take the mean of 32 draws, through which the running variances go on, and v is PyTorch's sample
    variance there.

    Source: Lin et al., Zen-NAS, ICCV 2021, arXiv:2102.01063, algorithm 1.
    """
    generator = probe.generator("zen")
    parameters = _gaussian(probe, generator)
    x = probe.noise(generator, IMAGES)
    first = _pooled(probe, x, parameters)
    second = _pooled(probe, _moved(x, probe.noise(generator, IMAGES)), parameters)
    if first.last is None or second.last is None:
        raise _lack(
            probe,
            "not_applicable",
            f"no feature map {AXES} is pooled or flattened before the head: the network has none, "
            "or layers run on its positions to the end",
        )
    moves = (first.last - second.last).abs().flatten(1).double()
    pairs = zip(first.variances, second.variances, strict=True)
    scales = [_kept(one, other, probe.protocol.training).mean().log() / 2 for one, other in pairs]
    value = float(moves.sum(1).mean().log() + sum(scales))
    if value == float("-inf"):
        raise _lack(probe, "degenerate", "the last feature map does not depend on the input")
    if not math.isfinite(value):
        raise MeasureError("overflow", "the features of a Gaussian network are not finite")
    return value


def _lack(probe: Probe, kind: str, text: str) -> MeasureError:
    """Why there is no value; first of all, that the network is disconnected."""
    if not probe.connected:
        return MeasureError("disconnected", "no path leads from the input to the output")
    return MeasureError(kind, text)


def _kept(one: Tensor, other: Tensor, training: bool) -> Tensor:
    """The running variance from 1 after batches of these variances, or as it was and stays."""
    if not training:
        return one.double()
    return 1 + MOMENTUM * ((1 - MOMENTUM) * (one.double() - 1) + other.double() - 1)


@dataclass(frozen=True)
class _Features:
    """The last map before pooling, if there is one, and what batch norms divide by."""

    last: Tensor | None
    variances: list[Tensor]


def _pooled(probe: Probe, batch: Batch, parameters: dict[str, Tensor]) -> _Features:
    """What a network gives for a batch, of all that its output depends on."""
    watching = PooledMap()
    alive = probe.blueprint is not None  # such networks run nothing that the output does not need
    output = probe.again(batch, watching, parameters, graph=not alive)
    nodes = None if alive else reached(output.grad_fn)
    return _Features(watching.last(nodes), watching.variances(nodes))


def _moved(batch: Batch, noise: Batch) -> Batch:
    """A batch plus alpha times noise."""
    args = tuple(x.add(e, alpha=ALPHA) for x, e in zip(batch[0], noise[0], strict=True))
    return args, {name: x.add(noise[1][name], alpha=ALPHA) for name, x in batch[1].items()}


def _gaussian(probe: Probe, generator: torch.Generator) -> dict[str, Tensor]:
    """Standard normal weights, and what else the definition fixes, by parameter name."""
    names = {id(p): name for name, p in probe.network.named_parameters()}
    found: dict[str, Tensor] = {}
    for module in probe.network.modules():
        drawn, ones, zeros = _parts(module)
        for parameters, made in ((drawn, _normal), (ones, _ones), (zeros, _zeros)):
            for p in parameters:
                if p is not None and id(p) in names:
                    found[names[id(p)]] = made(p, generator)
    return {name: value.detach() for name, value in found.items()}


def _parts(module: nn.Module) -> tuple[list[Tensor | None], ...]:
    """A module's own parameters that are drawn, those that are 1, and those that are 0."""
    if isinstance(module, nn.MultiheadAttention):
        drawn, zeros = _ATTENTION, _ATTENTION_BIASES
        return [getattr(module, n) for n in drawn], [], [getattr(module, n) for n in zeros]
    if isinstance(module, _LAYERS):
        return [module.weight], [], [module.bias]
    if isinstance(module, _NORMS):
        return [], [module.weight], [getattr(module, "bias", None)]
    return [], [], []


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers in the shape, type, device and memory layout of a tensor."""
    values = torch.randn(like.shape, generator=generator, dtype=torch.float32)
    return torch.empty_like(like).copy_(values)


def _ones(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.ones_like(like)


def _zeros(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.zeros_like(like)
