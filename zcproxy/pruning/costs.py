"""Multiply-adds of a network, and which weight they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from zcproxy.calls import call_network
from zcproxy.leaves import batch_leaves, places
from zcproxy.probe import Inputs
from zcproxy.undisturbed import gradients_enabled, training_mode, undisturbed_randomness

__all__ = ["Costs", "multiply_adds"]


@dataclass(frozen=True)
class Costs:
    """Multiply-adds of one example.

    Attributes:
        total: of all convolutions and matrix products.
        by_weight: those a parameter of two or more dimensions takes part in, by its name.
    """

    total: int
    by_weight: Mapping[str, int]

    def per_weight(self, name: str, size: int) -> int:
        """Multiply-adds of each single weight of a parameter with `size` weights."""
        return self.by_weight.get(name, 0) // size


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names = names
        self.total = 0
        self.by_weight: dict[str, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        result = func(*args, **kwargs)
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            count = formula(*args, **kwargs, out_val=result) // 2
            self.total += count
            tensors = (x for x in (*args, *kwargs.values()) if isinstance(x, Tensor))
            found = {self.names.get(x.untyped_storage().data_ptr()) for x in tensors}
            for name in found - {None}:
                assert name is not None
                self.by_weight[name] = self.by_weight.get(name, 0) + count
        return result


def multiply_adds(network: nn.Module, inputs: Inputs) -> Costs:
    """Count the multiply-adds of convolutions and matrix products for the first example.

    A product of an activation with padding counts, as everywhere. Biases, normalizations and
    activations do not. A weight used more than once counts as often.

    Args:
        network: any module; runs in evaluation mode and is left as it was.
        inputs: a batch as for `zcproxy.score`; its first example is used.

    Raises:
        InputError: the network cannot be computed on the inputs.
    """
    args, kwargs = batch_leaves(inputs)
    first = tuple(x.detach()[:1] for x in args)
    named = {name: x.detach()[:1] for name, x in kwargs.items()}
    parameters = dict(network.named_parameters())
    buffers = {name: b.clone() for name, b in network.named_buffers()}
    given = {place: buffers[name] for place, name in places(network).items() if name in buffers}
    matrices = {n: p for n, p in parameters.items() if p.dim() > 1}  # a product has a bias, too
    counter = _Counter({p.untyped_storage().data_ptr(): n for n, p in matrices.items()})
    with (
        gradients_enabled(),  # without gradients attention takes a path that is not counted
        training_mode(network, False),
        undisturbed_randomness(0),
        sdpa_kernel(SDPBackend.MATH),
        counter,
    ):
        call_network(network, given, first, named)
    return Costs(counter.total, counter.by_weight)
