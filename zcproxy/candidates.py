"""Score a handful of the user's own models at once, in this process.

The frames are like those of runs: a column `architecture` of names, one float column per proxy, and
beside each proxy `<proxy>_failure` (why there is no value, or missing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from zcproxy.errors import InputError, kind_of, reason
from zcproxy.imported import imported
from zcproxy.kinds import FAILURE

if TYPE_CHECKING:
    from torch import nn

    from zcproxy.datasets import Batch

__all__ = ["initialized", "load_models", "score_models"]

Progress = Callable[[int, int], None]
Outcome = tuple[float | None, str | None]


def score_models(
    models: Mapping[str, nn.Module],
    batch: Batch,
    proxies: Sequence[str],
    protocol: str = "clean",
    seed: int = 0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Score the user's own models on one batch; the models stay as they are.

    A model that cannot be computed on the batch is a row of failures, not an error.
    `progress(done, total)` counts models. Returns one row per model, named in `architecture`.
    """
    from zcproxy import scoring

    outcomes: list[dict[str, Outcome]] = []
    for model in models.values():
        try:
            results = scoring.measure(model, batch.inputs, batch.targets, proxies, protocol, seed)
            outcomes.append({n: (r.value, why(r.failure, r.message)) for n, r in results.items()})
        except Exception as error:  # the user's code: whatever it raises is a row
            outcomes.append(dict.fromkeys(proxies, (None, f"error: {reason(error)}")))
        if progress is not None:
            progress(len(outcomes), len(models))
    return framed(list(models), outcomes, proxies)


def load_models(reference: str, seed: int = 0) -> dict[str, nn.Module]:
    """The models of `package.module:factory`, a function without arguments, by name.

    The factory returns a dict of name to module, or an iterable of pairs (name, module); a single
    module is named `model`. It is looked for in the current folder, too. The global random state
    is seeded with `seed` before it is imported and runs, and restored afterwards.

    Raises InputError where the reference is malformed, cannot be imported, fails, or gives
    something else.
    """
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        factory = imported(reference)
        torch.manual_seed(seed)  # whether or not the import was the first, and drew numbers
        ready = isinstance(factory, nn.Module) or not callable(factory)
        try:
            return named_models(factory if ready else factory(), reference)  # type: ignore[operator]
        except InputError:
            raise
        except (Exception, SystemExit) as error:  # the user's code may raise anything
            raise InputError(f"{reference} failed: {reason(error)}") from error


def initialized(model: nn.Module, protocol: str, seed: int) -> None:
    """Draw the initial weights of a model again, in place, where the protocol has its own."""
    from zcproxy import protocols
    from zcproxy.networks.initialization import INITIALIZATIONS

    how = protocols.get(protocol).initialization
    if how != "default":
        INITIALIZATIONS[how](model, seed)


def named_models(given: object, origin: str) -> dict[str, nn.Module]:
    """Models by name, from a mapping, an iterable of (name, module), or one module.

    Raises InputError for anything else, for no model, and for a name given twice.
    """
    from torch import nn

    if isinstance(given, nn.Module):
        return {"model": given}
    pairs: Iterable[Any] = given.items() if isinstance(given, Mapping) else iterated(given, origin)
    models: dict[str, nn.Module] = {}
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], nn.Module)):
            what = pair[1] if isinstance(pair, tuple) and len(pair) == 2 else pair
            raise InputError(
                f"{origin}: expected a dict of name to torch.nn.Module, or pairs (name, module); "
                f"got {kind_of(what)} among them"
            )
        name, model = str(pair[0]), pair[1]
        if name in models:
            raise InputError(f"{origin}: two models are named '{name}'")
        models[name] = model
    if not models:
        raise InputError(f"{origin}: gives no model")
    return models


def iterated(given: object, origin: str) -> Iterable[Any]:
    """`given` if one can iterate over it."""
    if isinstance(given, Iterable) and not isinstance(given, str | bytes):
        return given
    raise InputError(
        f"{origin}: expected a torch.nn.Module, a dict of name to module, or pairs (name, module); "
        f"got {type(given).__name__}"
    )


def why(kind: str | None, message: str | None) -> str | None:
    """Kind and message of a failure in one line, None for a value."""
    return None if kind is None else f"{kind}: {message}"


def framed(
    names: Sequence[str],
    outcomes: Sequence[Mapping[str, Outcome]],
    proxies: Sequence[str],
) -> pd.DataFrame:
    """The frame of scores from the outcome of every proxy for every candidate."""
    columns: dict[str, Any] = {"architecture": list(names)}
    for proxy in proxies:
        columns[proxy] = pd.Series([outcome[proxy][0] for outcome in outcomes], dtype="float64")
        columns[proxy + FAILURE] = [outcome[proxy][1] for outcome in outcomes]
    return pd.DataFrame(columns)
