"""Score a network, or its weights, on one batch."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zcproxy import catalogue, protocols, proxies, saliencies
from zcproxy.errors import InputError, MeasureError, unknown
from zcproxy.probe import Inputs, Loss, Probe
from zcproxy.undisturbed import gradients_enabled

__all__ = ["Result", "ScoreError", "measure", "saliency", "score"]


@dataclass(frozen=True)
class Result:
    """What a proxy gave on a network: a value, or the kind of failure and a message.

    `seconds` is the time spent on this proxy; passes shared with others count where they were
    first needed.
    """

    value: float | None
    failure: str | None
    message: str | None
    seconds: float


class ScoreError(MeasureError):
    """Some proxies have no value on this network; `scores` holds those of the others."""

    def __init__(self, results: Mapping[str, Result]) -> None:
        failed = {name: r for name, r in results.items() if r.failure is not None}
        text = "; ".join(f"{name}: {r.message}" for name, r in failed.items())
        super().__init__(next(iter(failed.values())).failure or "error", text)
        self.failures = failed
        self.scores = {n: r.value for n, r in results.items() if r.value is not None}


def score(
    network: nn.Module,
    inputs: Inputs,
    targets: Any,
    proxies: Sequence[str] = ("snip", "synflow"),
    protocol: str = "clean",
    *,
    loss: Loss | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Score an untrained network; all proxies together cost the passes their union needs.

    Args:
        network: any module. It is left exactly as it was.
        inputs: a batch: a tensor (N, ...), several of them, or a mapping to `forward`'s names.
        targets: class numbers (N,) int64 for cross-entropy, else whatever `loss` takes.
        proxies: names; `zcproxy list proxies` shows all.
        protocol: name; `zcproxy list protocols` shows all.
        loss: from output and targets to a scalar, the mean over the batch; default cross-entropy.
        seed: of the randomness inside the network, such as dropout.

    Returns:
        The value of every proxy, by name, in the order asked for.

    Raises:
        InputError: an unknown name, or the network cannot be computed on this batch.
        ScoreError: a proxy has no value here; says why, and holds the values of the others.
    """
    results = measure(network, inputs, targets, proxies, protocol, seed, loss=loss)
    if any(result.failure is not None for result in results.values()):
        raise ScoreError(results)
    return {name: r.value for name, r in results.items() if r.value is not None}


def measure(
    network: nn.Module,
    inputs: Inputs,
    targets: Any,
    proxies: Sequence[str],
    protocol: str = "clean",
    seed: int = 0,
    *,
    loss: Loss | None = None,
) -> dict[str, Result]:
    """As `score`, but with a `Result` for every proxy instead of an error for any."""
    if isinstance(proxies, str):
        raise InputError(f"proxies must be a list of names, such as ['{proxies}'], not a string")
    functions = {name: _proxy(name) for name in proxies}
    passes = frozenset().union(*(needed for _, needed in functions.values()))
    how = protocols.get(protocol)
    with gradients_enabled():
        probe = Probe(network, inputs, targets, how, loss=loss, passes=passes, seed=seed)
        return {name: _result(function, probe) for name, (function, _) in functions.items()}


def saliency(
    network: nn.Module,
    inputs: Inputs,
    targets: Any,
    name: str,
    protocol: str = "clean",
    *,
    loss: Loss | None = None,
    seed: int = 0,
) -> dict[str, Tensor]:
    """One score per weight, higher = keep, for every weight of convolution and linear layers.

    Args as for `score`; `name` is one of `zcproxy list saliencies`.

    Returns:
        By parameter name, a tensor of the weight's shape; zero where no path of the network uses
        the weight.

    Raises:
        InputError: an unknown name, or the network cannot be computed on this batch.
        MeasureError: the saliency does not apply to this network; says why.
    """
    if name not in saliencies.NAMES:
        raise unknown("saliency", name, saliencies.NAMES, "zcproxy list saliencies shows all")
    function, passes = catalogue.load("zcproxy.saliencies", name)
    how = protocols.get(protocol)
    with gradients_enabled():
        probe = Probe(network, inputs, targets, how, loss=loss, passes=passes, seed=seed)
        found: dict[str, Tensor] = function(probe)
        return {
            weight.name: found.get(weight.name, torch.zeros_like(probe.weight(weight.name)))
            for weight in probe.weights
        }


def _proxy(name: str) -> tuple[Any, frozenset[str]]:
    known = proxies.names()
    if name not in known:
        hint = f"zcproxy list proxies shows all {len(known)}"
        raise unknown("proxy", name, known, hint)
    return catalogue.load("zcproxy.proxies", name)


def _result(function: Any, probe: Probe) -> Result:
    start = time.perf_counter()
    value: float | None = None
    failure = message = None
    try:
        value = function(probe)
        if not math.isfinite(value):
            value, failure, message = None, "nonfinite", f"the value is {value}"
    except MeasureError as error:  # kept, it would keep the graph through its traceback
        failure, message = error.kind, str(error)
    return Result(value, failure, message, time.perf_counter() - start)
