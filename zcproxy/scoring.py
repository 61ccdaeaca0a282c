"""Score a network, or its weights, on one batch."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zcproxy import catalogue, protocols, proxies, saliencies
from zcproxy.errors import (
    InputError,
    MeasureError,
    ZcproxyError,
    is_shortage,
    kind_of,
    reason,
    unknown,
)
from zcproxy.kinds import ERROR
from zcproxy.networks.stacked import StackedNetwork
from zcproxy.probe import ALONE, PASSES, Inputs, Loss, Probe
from zcproxy.stacked_probe import Member, StackedProbe
from zcproxy.undisturbed import Kept, full_precision, gradients_enabled

__all__ = ["Result", "ScoreError", "measure", "measure_stacked", "saliency", "score"]


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
        super().__init__(next(iter(failed.values())).failure or ERROR, text)
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
    """As `score`, but with a `Result` for every proxy instead of an error for any.

    Whatever a proxy raises is its own failure, of kind `error`, and no other proxy's; but an
    InputError, which says that the network cannot be computed, and a lack of memory are raised. A
    proxy that changes the network or the batch (see `zcproxy.undisturbed.Kept`) fails, and what it
    changed is undone before the next one.
    """
    functions, passes = _functions(proxies)
    how = protocols.get(protocol)
    results = {}

    def probed() -> Probe:
        return Probe(network, inputs, targets, how, loss=loss, passes=passes, seed=seed)

    with gradients_enabled(), full_precision():
        probe = probed()
        kept, changes_itself = Kept(network, _tensors(inputs, targets)), False
        try:
            for name, function in functions.items():
                result = _result(function, probe)
                if not changes_itself and (changed := kept.changed()):
                    kept.put_back()
                    changes_itself = _changes_itself(probed(), kept)
                    if not changes_itself:
                        result, probe = _at_fault(result, changed), probed()
                results[name] = result
        finally:
            if kept.changed():
                kept.put_back()
    return results


def _changes_itself(probe: Probe, kept: Kept) -> bool:
    """Whether the network is one that writes to its own weights when it runs."""
    with contextlib.suppress(MeasureError, InputError):
        _ = probe.output
    if not kept.changed():
        return False
    kept.put_back()
    return True


def _at_fault(result: Result, changed: str) -> Result:
    """The failure of a proxy that changed the network."""
    text = f"the proxy changed {changed}; Probe.again runs the network without a change"
    text += f" (and failed: {result.message})" if result.message else ""
    return Result(None, ERROR, text, result.seconds)


def _tensors(inputs: Any, targets: Any) -> list[Tensor]:
    """The tensors of a batch."""
    given = inputs.values() if isinstance(inputs, Mapping) else inputs
    listed = [inputs] if isinstance(inputs, Tensor) else list(given)
    return [x for x in (*listed, targets) if isinstance(x, Tensor)]


def measure_stacked(
    network: StackedNetwork,
    inputs: Tensor,
    targets: Tensor,
    proxies: Sequence[str],
    protocol: str = "clean",
    seed: int = 0,
) -> list[dict[str, Result]]:
    """As `measure`, of all networks of a stack at once, in their order; meant for GPUs.

    Values are those of `measure` on the networks one by one, but for rounding. What one network
    lacks it lacks alone. Proxies whose passes only a network by itself can give (`probe.ALONE`, by
    the `PASSES` of their files) are measured on the members one by one; so are those that meet an
    unexpected error on a stack.

    Args:
        network: see `zcproxy.networks.stacked.StackedNetwork`; measured on its device.
        inputs: the batch, (N, in_channels, image, image), on the same device.
        targets: class numbers (N,) int64, on the same device.
        proxies, protocol, seed: as for `score`.

    Returns:
        A `Result` by proxy for every network, in the order asked for. `seconds` is an equal share
        of the stack's, or where members are measured one by one, the network's own.

    Raises:
        InputError: an unknown name, or the networks cannot be computed on this batch.
    """
    names = list(_functions(proxies)[0])
    single = [name for name in names if _functions([name])[1] & ALONE]
    results = _side_by_side(
        network, inputs, targets, [n for n in names if n not in single], protocol, seed
    )
    single += [n for n in names if any(n in f and f[n].failure == ERROR for f in results)]
    for number, into in enumerate(results if single else ()):
        into |= measure(network.network(number), inputs, targets, single, protocol, seed)
    return [{name: found[name] for name in names} for found in results]


def _side_by_side(
    network: StackedNetwork,
    inputs: Tensor,
    targets: Tensor,
    proxies: Sequence[str],
    protocol: str,
    seed: int,
) -> list[dict[str, Result]]:
    """The results of proxies that a stack can give; its graph is gone when they are returned."""
    functions, passes = _functions(proxies)
    how = protocols.get(protocol)
    results: list[dict[str, Result]] = [{} for _ in range(getattr(network, "members", 0))]

    def probed() -> list[Member]:
        probe = StackedProbe(network, inputs, targets, how, passes=passes, seed=seed)
        return [probe.member(number) for number in range(len(results))]

    with gradients_enabled(), full_precision():
        members = probed()
        kept = Kept(network, (inputs, targets))
        for name, function in functions.items():
            found = [_result(function, member) for member in members]
            if changed := kept.changed():
                kept.put_back()
                found, members = [_at_fault(result, changed) for result in found], probed()
            share = sum(result.seconds for result in found) / len(found)
            for result, into in zip(found, results, strict=True):
                into[name] = replace(result, seconds=share)
    return results


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
    if not isinstance(name, str) or name not in saliencies.NAMES:
        raise unknown("saliency", name, saliencies.NAMES, "zcproxy list saliencies shows all")
    function, passes = catalogue.load("zcproxy.saliencies", name)
    how = protocols.get(protocol)
    with gradients_enabled(), full_precision():
        probe = Probe(network, inputs, targets, how, loss=loss, passes=passes, seed=seed)
        found: dict[str, Tensor] = function(probe)
        return {
            name: found[name] if name in found else torch.zeros_like(probe.weight(name))
            for name in (weight.name for weight in probe.weights)
        }


def _listed(names: Any) -> list[Any]:
    """The names of proxies asked for, which a single string is not."""
    if isinstance(names, str):
        raise InputError(f"proxies must be a list of names, such as ['{names}'], not a string")
    if not isinstance(names, Iterable):
        raise InputError(
            f"proxies must be a list of names, such as ['snip', 'synflow'], not {kind_of(names)}"
        )
    return list(names)


def _functions(names: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """The functions of proxies by name, and the passes they need together."""
    found = {name: _proxy(name) for name in _listed(names)}
    passes = frozenset().union(*(needed for _, needed in found.values()))
    return {name: function for name, (function, _) in found.items()}, passes


def _proxy(name: Any) -> tuple[Any, frozenset[str]]:
    known = proxies.names()
    if not isinstance(name, str) or name not in known:
        raise unknown("proxy", name, known, f"zcproxy list proxies shows all {len(known)}")
    try:
        function, passes = catalogue.load("zcproxy.proxies", name)
        if wrong := passes - PASSES:
            raise InputError(f"PASSES of {name}.py: {sorted(wrong)} is none of {sorted(PASSES)}")
    except InputError as error:
        return partial(_fails, str(error)), frozenset()
    return function, passes


def _fails(why: str, probe: Probe) -> float:
    """What stands for a proxy whose file cannot be used: a failure of it alone."""
    raise MeasureError(ERROR, why)


def _result(function: Any, probe: Probe) -> Result:
    start = time.perf_counter()
    value: float | None = None
    failure = message = None
    try:
        with torch.enable_grad():  # whatever the proxies before did to that
            value = _number(function(probe))
        if not math.isfinite(value):
            value, failure, message = None, "nonfinite", f"the value is {value}"
    except MeasureError as error:  # kept, it would keep the graph through its traceback
        failure, message = error.kind, str(error)
    except ZcproxyError:
        raise
    except (Exception, SystemExit) as error:  # a proxy may be the user's code, and raise anything
        if is_shortage(error):
            raise
        failure, message = ERROR, reason(error)
    return Result(value, failure, message, time.perf_counter() - start)


def _number(given: Any) -> float:
    """What a proxy returned as a float; MeasureError of kind `error` if it is no number."""
    what = kind_of(given)
    try:
        if isinstance(given, Tensor | np.ndarray):
            what += f" of shape {tuple(given.shape)}"
            given = given.item() if math.prod(given.shape) == 1 else None
        if not isinstance(given, str | bytes):
            return float(given)
    except (TypeError, ValueError, OverflowError):
        pass
    raise MeasureError(ERROR, f"a proxy must return a float, not {what}")
