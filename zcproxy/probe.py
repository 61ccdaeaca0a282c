"""One network, one batch, one loss: measured lazily, and every quantity only once."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from zcproxy.arguments import check_seed
from zcproxy.calls import (
    Loss,
    call_loss,
    call_network,
    differentiate,
    differentiate_again,
    tensor_of,
)
from zcproxy.errors import InputError, MeasureError, kind_of
from zcproxy.leaves import Inputs, batch_leaves, ones_like_first, parameter_leaves, places, usable
from zcproxy.protocols import Protocol
from zcproxy.recorder import Linearizer, Recorder
from zcproxy.second_order import without_weight_gradients
from zcproxy.undisturbed import training_mode, undisturbed_randomness
from zcproxy.weights import Weight, find_weights

__all__ = ["PASSES", "Inputs", "Loss", "Probe", "Weight"]

PASSES = frozenset({"activations", "patterns", "twice", "flops"})
"""What has to be known before the forward pass: see `Probe`."""


class Probe:
    """The quantities that measures are made of.

    The network is left as it was: parameters, buffers, `.grad`, hooks and modes, and the random
    states of torch, numpy and Python.

    Args:
        network: any module; it runs in the mode the protocol says.
        inputs: the batch. Never written to, never made to require gradients.
        targets: what the loss compares the output with; class numbers for cross-entropy.
        protocol: how to measure.
        loss: mean loss of the batch, cross-entropy if none is given.
        passes: what the forward pass must record: `activations` (for Fisher information),
            `patterns` (of piecewise activations), `twice` (gradients will be differentiated
            again), `flops`. Asking for a quantity whose pass was not announced raises ValueError.
        seed: of the randomness inside the network, such as dropout.

    Raises:
        InputError: the network or the loss cannot be computed on this batch.
    """

    def __init__(
        self,
        network: nn.Module,
        inputs: Inputs,
        targets: Any,
        protocol: Protocol,
        *,
        loss: Loss | None = None,
        passes: Collection[str] = PASSES,
        seed: int = 0,
    ) -> None:
        if not isinstance(network, nn.Module):
            raise InputError(f"network must be a torch.nn.Module, not {kind_of(network)}")
        if not (loss is None or callable(loss)):
            raise InputError(f"loss must be a function of output and targets, not {kind_of(loss)}")
        self.network = network
        self.protocol = protocol
        self._parameters = parameter_leaves(network)
        self.weights = tuple(find_weights(network, protocol))
        self._targets = usable(targets) if isinstance(targets, Tensor) else targets
        self._loss = F.cross_entropy if loss is None else loss
        self._passes = frozenset(passes)
        self.seed = check_seed(seed)
        self._args, self._kwargs = batch_leaves(inputs)

    @cached_property
    def output(self) -> Tensor:
        """What the network gives for the batch, with its graph."""
        with (
            training_mode(self.network, self.protocol.training),
            undisturbed_randomness(self.seed),
            sdpa_kernel(SDPBackend.MATH),  # the only attention kernel with a second derivative
            self._watching(),
        ):
            output = self._run(self._parameters, self._args, self._kwargs)
        return tensor_of(output)

    @cached_property
    def loss(self) -> Tensor:
        """Mean loss of the batch; a finite scalar, or MeasureError."""
        output = self.output
        with undisturbed_randomness(self.seed):
            value = call_loss(self._loss, output, self._targets)
        if not bool(torch.isfinite(value)):
            raise MeasureError("nonfinite", f"the loss of the untrained network is {value.item()}")
        return value

    @cached_property
    def gradients(self) -> dict[str, Tensor]:
        """dL/dW of every weight that the backward pass reaches, by parameter name."""
        return {name: g.detach() for name, g in self._graph_gradients.items()}

    def weights_and_gradients(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Name, W and dL/dW of every weight that the backward pass reaches."""
        for name, gradient in self.gradients.items():
            yield name, self.weight(name), gradient

    def weight(self, name: str) -> Tensor:
        """The values of a weight."""
        return self._parameters[name].detach()

    @property
    def summed_weights(self) -> list[str]:
        """Names of the weights that sums over layers run over, as the protocol says."""
        if self.protocol.reached:
            return list(self.gradients)
        return [weight.name for weight in self.weights]

    @cached_property
    def hessian_gradients(self) -> dict[str, Tensor]:
        """H g for the loss's gradient g over the weights and its Hessian H over them."""
        return self._hessian_products({n: g.detach() for n, g in self._graph_gradients.items()})

    @cached_property
    def hessian_weights(self) -> dict[str, Tensor]:
        """H W for the weights W and the Hessian H over them; cheaper than H g."""
        return self._hessian_products({name: self.weight(name) for name in self._graph_gradients})

    def _hessian_products(self, direction: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self._announced("twice")
        leaves = {name: self._parameters[name] for name in direction}
        gradients = {n: g for n, g in self._graph_gradients.items() if g.requires_grad}
        if not gradients:
            return {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
        products = differentiate_again(
            list(gradients.values()),
            list(leaves.values()),
            [direction[name] for name in gradients],
        )
        return dict(zip(leaves, products, strict=True))

    @cached_property
    def fisher_information(self) -> dict[str, Tensor]:
        """1/2 mean_n (sum over positions of activation * dL/dactivation)^2 per output channel."""
        self._announced("activations")
        _ = self._graph_gradients
        fisher = self._recorder.fisher
        if fisher.obstacle:
            raise MeasureError("not_applicable", fisher.obstacle)
        if not fisher.channels:
            raise MeasureError("not_applicable", "no convolution or linear layer is in the graph")
        unseen = [name for name in self._graph_gradients if name not in fisher.channels]
        if unseen and self.protocol.reached:
            raise MeasureError(
                "not_applicable",
                f"{unseen[0]} works elsewhere than in a convolution or linear function (inside an "
                "attention module, or transformed), so what its channels give out is not seen",
            )
        return fisher.channels

    @cached_property
    def pattern_kernel(self) -> tuple[Tensor, int]:
        """In how many units each pair of images has the same on/off state, (N, N), and of how many.

        Counts the piecewise activations between parameters or inputs and the output only; what
        the backward pass does not reach has no say.
        """
        self._announced("patterns")
        reached = self._reached
        images = len(self.output)
        kernel = torch.zeros(images, images, dtype=torch.float64, device=self.output.device)
        units = 0
        for node, on, width in self._recorder.patterns:
            if node in reached:
                if len(on) not in (1, images):
                    raise MeasureError(
                        "not_applicable",
                        f"an activation has {len(on)} rows for {images} images, so its units "
                        "cannot be told apart from images",
                    )
                both = on
                each = both.diagonal()
                kernel += 2 * both - each[:, None] - each[None, :] + width
                units += width
        return kernel, units

    @cached_property
    def input_jacobian(self) -> Tensor:
        """d(sum of all outputs)/d(input), one row per image: (N, features)."""
        leaves = [x for x in (*self._args, *self._kwargs.values()) if x.requires_grad]
        if not leaves:
            raise MeasureError(
                "not_applicable", "the inputs are integers; the output has no derivative in them"
            )
        if not self.output.requires_grad:
            raise MeasureError("disconnected", "the output does not depend on the input")
        with without_weight_gradients():
            rows = differentiate(self.output.sum(), leaves, retain_graph=True)
        found = [row.reshape(len(row), -1) for row in rows if row is not None]
        if not found:
            raise MeasureError("disconnected", "no path leads from the input to the output")
        if len({len(row) for row in found}) > 1:
            raise MeasureError(
                "not_applicable", "the inputs have unequal lengths; no row belongs to an image"
            )
        return torch.cat(found, 1)

    @cached_property
    def synaptic_flow(self) -> dict[str, Tensor]:
        r"""abs(W dR/dW) in float64, R the sum of outputs of the linearized network on ones.

        All parameters are replaced by their absolute values, normalizations by identities as the
        protocol says, the batch by one input of ones; inputs of integers keep their first example.
        """
        parameters = {
            name: p.detach().abs().double().requires_grad_() for name, p in self._parameters.items()
        }
        args = tuple(ones_like_first(x) for x in self._args)
        kwargs = {name: ones_like_first(x) for name, x in self._kwargs.items()}
        how = self.protocol
        keeps = how.linearized == "none"
        linearized = contextlib.nullcontext() if keeps else Linearizer(how.linearized == "all")
        with (
            training_mode(self.network, how.training),
            undisturbed_randomness(self.seed),
            linearized,
        ):
            output = tensor_of(self._run(parameters, args, kwargs, torch.float64))
        leaves = {weight.name: parameters[weight.name] for weight in self.weights}
        if not leaves:
            raise MeasureError("not_applicable", "the network has no convolution or linear layer")
        if not output.requires_grad:
            raise MeasureError("disconnected", "the output does not depend on any parameter")
        flow = differentiate(output.sum(), list(leaves.values()), materialize_grads=True)
        return {
            name: (leaf.detach() * g).abs_()
            for (name, leaf), g in zip(leaves.items(), flow, strict=True)
        }

    @property
    def connected(self) -> bool:
        """Whether the output depends on the input; True where inputs are integers."""
        leaves = [x for x in (*self._args, *self._kwargs.values()) if x.requires_grad]
        return not leaves or any(id(leaf) in self._reached_leaves for leaf in leaves)

    @property
    def reached_parameters(self) -> list[str]:
        """Names of the parameters, biases and norms too, that the backward pass reaches."""
        return [n for n, p in self._parameters.items() if id(p) in self._reached_leaves]

    @property
    def parameters(self) -> dict[str, Tensor]:
        """All parameters by name, shared ones once."""
        return {name: p.detach() for name, p in self._parameters.items()}

    @cached_property
    def multiply_adds(self) -> int:
        """Multiply-adds of convolutions and matrix products in the forward pass of the batch."""
        self._announced("flops")
        _ = self.output
        own = sum(len(gram) ** 2 * width for _, gram, width in self._recorder.patterns)
        return self._counter.get_total_flops() // 2 - own - self._recorder.pooling

    @cached_property
    def batch_size(self) -> int:
        """How many examples the batch has."""
        return len(next(iter((*self._args, *self._kwargs.values()))))

    @cached_property
    def _graph_gradients(self) -> dict[str, Tensor]:
        names = [weight.name for weight in self.weights]
        if not names:
            raise MeasureError("not_applicable", "the network has no convolution or linear layer")
        if not self.loss.requires_grad:
            raise MeasureError("disconnected", "the loss does not depend on any parameter")
        self._recorder.fisher.listening = True
        try:
            gradients = differentiate(
                self.loss,
                [self._parameters[name] for name in names],
                create_graph="twice" in self._passes,
                retain_graph=True,
            )
        finally:
            self._recorder.fisher.listening = False
        return {n: g for n, g in zip(names, gradients, strict=True) if g is not None}

    @cached_property
    def _recorder(self) -> Recorder:
        weights = {id(self._parameters[weight.name]): weight.name for weight in self.weights}
        return Recorder(
            weights,
            activations="activations" in self._passes,
            patterns="patterns" in self._passes,
            images=self.batch_size if self.protocol.reached else None,
            twice="twice" in self._passes,
        )

    @cached_property
    def _counter(self) -> FlopCounterMode:
        return FlopCounterMode(display=False)

    @cached_property
    def _places(self) -> dict[str, str]:
        return places(self.network)

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        counting = self._counter if "flops" in self._passes else contextlib.nullcontext()
        with counting, self._recorder:
            yield

    def _run(
        self,
        parameters: dict[str, Tensor],
        args: tuple[Tensor, ...],
        kwargs: dict[str, Tensor],
        dtype: torch.dtype | None = None,
    ) -> Any:
        """The network's output with other parameters, and with copies of its buffers and inputs.

        A network may overwrite both.
        """
        buffers = {
            name: b.to(dtype, copy=True) if dtype and b.is_floating_point() else b.clone()
            for name, b in self.network.named_buffers()
        }
        tensors = {**parameters, **buffers}
        given = {place: tensors[name] for place, name in self._places.items()}
        return call_network(self.network, given, args, kwargs)

    @cached_property
    def _reached(self) -> set[Any]:
        """All nodes of the output's graph."""
        pending = [self.output.grad_fn] if self.output.grad_fn else []
        seen: set[Any] = set(pending)
        while pending:
            for node, _ in pending.pop().next_functions:
                if node is not None and node not in seen:
                    seen.add(node)
                    pending.append(node)
        return seen

    @cached_property
    def _reached_leaves(self) -> set[int]:
        return {id(node.variable) for node in self._reached if hasattr(node, "variable")}

    def _announced(self, name: str) -> None:
        if name not in self._passes:
            raise ValueError(f"this probe was made without '{name}' among its passes")
