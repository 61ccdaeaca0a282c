"""How alike images are by the signs of what layers give out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from zcproxy.errors import MeasureError
from zcproxy.probe import Probe
from zcproxy.recorder import WEIGHTED

__all__ = ["sign_kernels"]


def sign_kernels(probe: Probe) -> dict[str, Tensor]:
    """In how many outputs of a layer two images are both positive or both not, (N, N) float64.

    By the name of its weight, for every convolution and linear layer that runs on the batch, in
    evaluation mode. A weight that is used several times has the sum. Exact integers, for layers of
    up to 16 million outputs per image. One forward pass.

    Raises MeasureError: of kind `not_applicable` for a layer that does not give out one row per
    image, or where the network cannot run in evaluation mode.
    """
    weights = {weight.name: probe.weight(weight.name) for weight in probe.weights}
    signs = _Signs({id(values): name for name, values in weights.items()})
    probe.again(probe.inputs, signs, weights, training=False)
    for name, kernel in signs.kernels.items():
        if len(kernel) != probe.batch_size:
            raise MeasureError(
                "not_applicable",
                f"the layer of {name} has {len(kernel)} rows for {probe.batch_size} images, so its "
                "outputs cannot be told apart from images",
            )
    return signs.kernels


class _Signs(TorchFunctionMode):
    """Counts equal signs of all pairs of rows that a layer gives out.

    Args:
        weights: names of the weights of layers, by the identity of the tensor.
    """

    def __init__(self, weights: Mapping[int, str]) -> None:
        super().__init__()
        self._weights = weights
        self.kernels: dict[str, Tensor] = {}

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func in WEIGHTED:
            weight = args[1] if len(args) > 1 else kwargs["weight"]
            name = self._weights.get(id(weight))
            if name is not None:
                self._add(name, result)
        return result

    def _add(self, name: str, given_out: Tensor) -> None:
        rows = len(given_out) if given_out.dim() else 1
        positive = torch.gt(given_out.detach(), 0).reshape(rows, -1).float()
        agreements = _agreements(positive)
        before = self.kernels.get(name)
        if before is not None and before.shape != agreements.shape:
            raise MeasureError(
                "not_applicable", f"the layer of {name} has {len(before)} rows once, then {rows}"
            )
        self.kernels[name] = agreements if before is None else before + agreements


def _agreements(positive: Tensor) -> Tensor:
    """x x' + (1 - x) (1 - x)' of rows of zeros and ones, by one product."""
    both = (positive @ positive.T).double()
    each = both.diagonal()
    return 2 * both - each[:, None] - each[None, :] + positive.shape[1]
