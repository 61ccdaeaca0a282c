"""Networks around a network: with some weights held at zero, or run on several batches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zcproxy.errors import InputError
from zcproxy.leaves import places
from zcproxy.probe import Loss
from zcproxy.pruning.batches import Batches

__all__ = ["Joined", "Masked", "Trial"]


class Trial:
    """While it lasts, a network has copies of some weights, which may be set to zero.

    The network's own parameters are put aside and come back after, whatever happens.

    Args:
        network: any module.
        names: the weights to copy, by parameter name.
    """

    def __init__(self, network: nn.Module, names: Collection[str]) -> None:
        self._network = network
        self._names = frozenset(names)
        self._copies: dict[str, Tensor] = {}
        self._aside: list[tuple[nn.Module, str, nn.Parameter]] = []

    def __enter__(self) -> Trial:
        for place, name in places(self._network).items():
            if name in self._names:
                path, _, attribute = place.rpartition(".")
                module = self._network.get_submodule(path)
                own = module._parameters[attribute]
                assert own is not None
                if name not in self._copies:
                    self._copies[name] = own.detach().clone().requires_grad_()
                self._aside.append((module, attribute, own))
                module._parameters[attribute] = self._copies[name]  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        for module, attribute, own in self._aside:
            module._parameters[attribute] = own

    @torch.no_grad()
    def cut(self, mask: Mapping[str, Tensor]) -> None:
        """Set the weights of the copies that a mask does not keep to zero."""
        for name, copy in self._copies.items():
            copy.masked_fill_(~mask[name].to(copy.device), 0)


class Masked(nn.Module):
    """A network as a function of its weights multiplied by a mask of zeros and ones.

    Derivatives of every order in pruned weights are zero.
    """

    PREFIX = "network."

    def __init__(self, network: nn.Module, mask: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.network = network
        cut = {name: kept for name, kept in mask.items() if not bool(kept.all())}
        self._cut = {p: cut[name] for p, name in places(network).items() if name in cut}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        products: dict[int, Tensor] = {}  # a weight in several places is multiplied once
        changed: dict[str, Tensor] = {}
        for place, kept in self._cut.items():
            path, _, attribute = place.rpartition(".")
            weight: Tensor = getattr(self.network.get_submodule(path), attribute)
            if id(weight) not in products:
                products[id(weight)] = weight * kept.to(weight.device, weight.dtype)
            changed[place] = products[id(weight)]
        return torch.func.functional_call(self.network, changed, args, kwargs, tie_weights=False)


class Joined(nn.Module):
    """A network run on every one of several batches; the outputs follow one another.

    `tensors` are the inputs of all batches in a row, as a `Probe` takes them.
    """

    PREFIX = "network."

    def __init__(self, network: nn.Module, batches: Batches) -> None:
        super().__init__()
        self.network = network
        self.tensors: list[Tensor] = []
        self._forms: list[tuple[int, list[str] | None]] = []
        self._targets = [targets for _, targets in batches.pairs]
        self._lengths: list[int] = []
        for inputs, _ in batches.pairs:
            names = list(inputs) if isinstance(inputs, Mapping) else None
            parts = _parts(inputs)
            self.tensors += parts
            self._forms.append((len(parts), names))

    def forward(self, *tensors: Tensor) -> Tensor:
        outputs, left = [], list(tensors)
        for count, names in self._forms:
            args, left = left[:count], left[count:]
            named = dict(zip(names, args, strict=True)) if names is not None else {}
            output = self.network(*(() if names is not None else args), **named)
            output = getattr(output, "logits", output)
            if not isinstance(output, Tensor) or output.dim() == 0:
                raise InputError("several batches need a network that gives one tensor with rows")
            outputs.append(output)
        self._lengths = [len(output) for output in outputs]
        return torch.cat(outputs)

    def loss(self, loss: Loss | None) -> Loss:
        """The mean over batches of a loss; its own targets are the ones it looks at."""
        inner = F.cross_entropy if loss is None else loss

        def mean(output: Tensor, _: Any) -> Tensor:
            parts = zip(torch.split(output, self._lengths), self._targets, strict=True)
            return torch.stack([inner(part, targets) for part, targets in parts]).mean()

        return mean


def _parts(inputs: Any) -> list[Tensor]:
    if isinstance(inputs, Tensor):
        return [inputs]
    values: Sequence[Any] = list(inputs.values()) if isinstance(inputs, Mapping) else list(inputs)
    for value in values:
        if not isinstance(value, Tensor):
            raise InputError(f"inputs must be tensors, not {type(value).__name__}")
    return list(values)
