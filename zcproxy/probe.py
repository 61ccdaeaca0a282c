"""One network, one batch, one loss: measured lazily, and every quantity only once."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from zcproxy.arguments import check_seed
from zcproxy.blocks import BlockMaps, FeatureMap
from zcproxy.blueprint import Blueprint
from zcproxy.calls import (
    Loss,
    call_loss,
    call_network,
    differentiate,
    differentiate_again,
    tensor_of,
)
from zcproxy.errors import InputError, MeasureError, is_shortage, kind_of
from zcproxy.graph import longest_path, reached
from zcproxy.leaves import Inputs, batch_leaves, ones_like_first, parameter_leaves, places, usable
from zcproxy.protocols import Protocol
from zcproxy.recorder import Linearizer, Recorder, Signs, agreements
from zcproxy.scale_invariance import scale_invariant
from zcproxy.second_order import without_weight_gradients
from zcproxy.undisturbed import training_mode, undisturbed_randomness
from zcproxy.weights import Weight, find_weights

__all__ = ["ALONE", "PASSES", "Batch", "Inputs", "Loss", "Probe", "Weight"]

Batch = tuple[tuple[Tensor, ...], dict[str, Tensor]]
"""Positional inputs of a network, and those by the names of its `forward`."""

PASSES = frozenset({"activations", "patterns", "codes", "blocks", "again", "twice", "flops"})
"""What has to be known before the forward pass: see `Probe`."""

ALONE = frozenset({"codes", "blocks", "again"})
"""Those of them that only a network by itself can give, and not one of a stack."""

_P = TypeVar("_P", bound="Probe")


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
            `patterns` (of piecewise activations), `codes` (the same unit by unit), `blocks`
            (feature maps between primary blocks), `again` (the network will run again, on other
            inputs or on some of the images), `twice` (gradients will be differentiated
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
        """H W for the weights W and the Hessian H over them; cheaper than H g.

        On networks of cells, where batch norm takes the scale of most weights away, H times these
        is known and only the others' share is differentiated: see `zcproxy.scale_invariance`,
        also for what that neglects in float32. On other networks nothing is.
        """
        weights = {name: self._parameters[name] for name in self._graph_gradients}
        known = scale_invariant(self.loss, weights) if self._of_cells else set()
        others = [name for name in weights if name not in known]
        products = self._hessian_products({name: self.weight(name) for name in others})
        for name in known:
            products[name] = products[name] - self.gradients[name]
        return products

    def _hessian_products(self, direction: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """H times a direction, which is zero in the weights it lacks."""
        self._announced("twice")
        leaves = {name: self._parameters[name] for name in self._graph_gradients}
        gradients = {n: self._graph_gradients[n] for n in direction}
        gradients = {n: g for n, g in gradients.items() if g.requires_grad}
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
                kernel += agreements(on, width)
                units += width
        return kernel, units

    @cached_property
    def sign_kernels(self) -> dict[str, Tensor]:
        """In how many outputs of a layer two images are both positive or both not, (N, N) float64.

        By the name of its weight, for every convolution and linear layer that runs on the batch, in
        evaluation mode. A weight that is used several times has the sum. Exact integers, for layers
        of up to 16 million outputs per image. One forward pass.
        """
        weights = {weight.name: self.weight(weight.name) for weight in self.weights}
        signs = Signs({id(values): name for name, values in weights.items()})
        self.again(self.inputs, signs, weights, training=False)
        for name, kernel in signs.kernels.items():
            if len(kernel) != self.batch_size:
                raise MeasureError(
                    "not_applicable",
                    f"the layer of {name} has {len(kernel)} rows for {self.batch_size} images, so "
                    "its outputs cannot be told apart from images",
                )
        return signs.kernels

    @cached_property
    def unit_codes(self) -> Tensor:
        """For which images every unit is on: one row of bits per unit, see `zcproxy.patterns`.

        Counts the piecewise activations that `pattern_kernel` counts. (U, ceil(N / 64)) int64.
        """
        self._announced("codes")
        reached, images = self._reached, self.batch_size
        found = []
        for node, rows, code in self._recorder.codes:
            if node in reached:
                if rows != images:
                    raise MeasureError(
                        "not_applicable",
                        f"an activation has {rows} rows for {images} images, so its units "
                        "cannot be told apart from images",
                    )
                found.append(code)
        if not found:
            raise MeasureError(
                "not_applicable", "the network has no ReLU or other piecewise activation"
            )
        return torch.cat(found)

    @cached_property
    def block_maps(self) -> list[FeatureMap]:
        """The feature maps between primary blocks, see `zcproxy.blocks`."""
        self._announced("blocks")
        _ = self.output
        if not self.connected:
            raise MeasureError("disconnected", "no path leads from the input to the output")
        return self._blocks.found()

    def generator(self, name: str) -> torch.Generator:
        """Random numbers of one's own, on the processor: a stream by the seed and a name."""
        digest = hashlib.sha256(f"{name} {self.seed}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:7]))

    def noise(self, generator: torch.Generator, examples: int | None = None) -> Batch:
        """Standard normal noise in the shapes of the batch, or of its first `examples`.

        Raises: MeasureError of kind `not_applicable` where an input is of integers.
        """
        leaves = (*self._args, *self._kwargs.values())
        if not all(x.is_floating_point() for x in leaves):
            raise MeasureError("not_applicable", "the inputs are integers; there is no noise")

        def drawn(x: Tensor) -> Tensor:
            shape = (len(x) if examples is None else examples, *x.shape[1:])
            numbers = torch.randn(shape, generator=generator, dtype=torch.float32)
            return numbers.to(x.device, x.dtype)

        args = tuple(drawn(x) for x in self._args)
        return args, {name: drawn(x) for name, x in self._kwargs.items()}

    def again(
        self,
        batch: Batch,
        watching: AbstractContextManager[Any],
        parameters: Mapping[str, Tensor] | None = None,
        *,
        graph: bool = False,
        training: bool | None = None,
    ) -> Tensor:
        """Run the network once more on another batch, and give its output.

        As in the pass for `output`, the network is left as it was, in the mode of the protocol,
        and its randomness comes from the seed.

        Args:
            batch: positional inputs, and those by the names of `forward`; see `noise`.
            watching: what sees the network run, such as a mode of `zcproxy.feature_maps`.
            parameters: other values by parameter name; the rest are the network's own.
            graph: with the output's graph, which also has the batch as leaves.
            training: the mode of the network, instead of the protocol's.

        Raises: MeasureError of kind `not_applicable` if the network cannot be computed on it;
            InputError for a lack of memory, which is none of the network's.
        """
        self._announced("again")
        changed = {**self._parameters, **(parameters or {})}
        mode = self.protocol.training if training is None else training
        args, kwargs = batch
        if graph:
            args = tuple(_watched(x) for x in args)
            kwargs = {name: _watched(x) for name, x in kwargs.items()}
        try:
            with (
                training_mode(self.network, mode),
                undisturbed_randomness(self.seed),
                watching,
            ):
                return tensor_of(self._run(changed, args, kwargs, graph=graph))
        except InputError as error:
            if is_shortage(error):
                raise
            raise MeasureError("not_applicable", str(error)) from error

    def part(
        self,
        images: slice | Tensor,
        kind: type[_P],
        *,
        labeled: bool = True,
        training: bool | None = None,
    ) -> _P:
        """The probe of some of the images as a batch of its own: batch statistics are theirs.

        Args:
            images: which of the batch, as a slice or as places of images.
            kind: `Probe`, or a class of probes made in the same way.
            labeled: with their targets; otherwise there is no loss.
            training: the mode of the network, instead of the protocol's.

        Raises: MeasureError of kind `not_applicable` if the inputs or targets are not one for every
            image, or the network or its loss cannot be computed on these images by themselves;
            InputError for a lack of memory, which is none of the network's.
        """
        self._announced("again")
        how = self.protocol if training is None else replace(self.protocol, training=training)
        given = (*self._args, *self._kwargs.values(), *([self._targets] if labeled else []))
        if not all(isinstance(x, Tensor) and x.dim() and len(x) == self.batch_size for x in given):
            raise MeasureError(
                "not_applicable", "the inputs and targets are not tensors of one row for each image"
            )
        args = tuple(x[images] for x in self._args)
        inputs: Inputs = args or {name: x[images] for name, x in self._kwargs.items()}
        targets = self._targets[images] if labeled else None
        try:
            found = kind(
                *(self.network, inputs, targets, how),
                loss=self._loss,
                passes=("again",),
                seed=self.seed,
            )
            _ = found.loss if labeled else found.output
        except InputError as error:
            if is_shortage(error):
                raise
            raise MeasureError("not_applicable", f"of some images alone: {error}") from error
        return found

    @property
    def blueprint(self) -> Blueprint | None:
        """What the network was built from; None for other networks."""
        found = getattr(self.network, "blueprint", None)
        return found if isinstance(found, Blueprint) else None

    @property
    def _of_cells(self) -> bool:
        """Whether the network was built from a blueprint, or several ones were."""
        return self.blueprint is not None

    @property
    def targets(self) -> Any:
        """What the loss compares the output with."""
        return self._targets

    @property
    def inputs(self) -> Batch:
        """The batch: positional inputs, and those by the names of `forward`."""
        args = tuple(x.detach() for x in self._args)
        return args, {name: x.detach() for name, x in self._kwargs.items()}

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
        return self._flow(self.synaptic_gradients)

    @cached_property
    def synaptic_gradients(self) -> dict[str, Tensor]:
        """dR/dW at the absolute values of the parameters, in float64; R as in `synaptic_flow`."""
        return self._applicable_gradients(self.protocol.linearized)

    @cached_property
    def normalized_flow(self) -> dict[str, Tensor]:
        """As `synaptic_flow`, but normalizations work as in the mode that the protocol says."""
        if self.protocol.linearized == "none":
            return self.synaptic_flow
        return self._flow(self._applicable_gradients("none"))

    def _flow(self, gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {n: (self._absolutes[n].detach() * g).abs_() for n, g in gradients.items()}

    @cached_property
    def _absolutes(self) -> dict[str, Tensor]:
        """The absolute values of all parameters in float64, as leaves of a graph."""
        values = {name: p.detach().abs().double() for name, p in self._parameters.items()}
        return {name: value.requires_grad_() for name, value in values.items()}

    def _applicable_gradients(self, linearized: str) -> dict[str, Tensor]:
        """`_linearized_gradients`, or MeasureError where the network cannot run that way."""
        try:
            return self._linearized_gradients(linearized)
        except InputError as error:  # such as batch norm of one value per channel
            if is_shortage(error):
                raise
            raise MeasureError("not_applicable", str(error)) from error

    def _linearized_gradients(self, linearized: str) -> dict[str, Tensor]:
        """dR/dW of every weight, the normalizations named by `linearized` being identities."""
        args = tuple(ones_like_first(x) for x in self._args)
        kwargs = {name: ones_like_first(x) for name, x in self._kwargs.items()}
        keeps = linearized == "none"
        identities = contextlib.nullcontext() if keeps else Linearizer(linearized == "all")
        with (
            training_mode(self.network, self.protocol.training),
            undisturbed_randomness(self.seed),
            identities,
        ):
            output = tensor_of(self._run(self._absolutes, args, kwargs, torch.float64))
        leaves = {weight.name: self._absolutes[weight.name] for weight in self.weights}
        if not leaves:
            raise MeasureError("not_applicable", "the network has no convolution or linear layer")
        if not output.requires_grad:
            raise MeasureError("disconnected", "the output does not depend on any parameter")
        flow = differentiate(output.sum(), list(leaves.values()), materialize_grads=True)
        return dict(zip(leaves, flow, strict=True))

    @property
    def connected(self) -> bool:
        """Whether the output depends on the input; True where inputs are integers."""
        leaves = [x for x in (*self._args, *self._kwargs.values()) if x.requires_grad]
        return not leaves or any(id(leaf) in self._reached_leaves for leaf in leaves)

    @property
    def reached_parameters(self) -> list[str]:
        """Names of the parameters, biases and norms too, that the backward pass reaches."""
        return [n for n, p in self._parameters.items() if id(p) in self._reached_leaves]

    @cached_property
    def depth(self) -> int:
        """Most layers with weights on one path from the input to the output; 0 without a path."""
        inputs = {id(x) for x in (*self._args, *self._kwargs.values()) if x.requires_grad}
        weights = {id(self._parameters[weight.name]) for weight in self.weights}
        return longest_path(self.output.grad_fn, inputs, weights)

    @cached_property
    def finite_parameters(self) -> bool:
        """Whether all parameters are finite numbers."""
        return all(bool(p.isfinite().all()) for p in self.parameters.values())

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
        own += self._recorder.pooling + self._recorder.packing
        own += sum(m.multiply_adds for m in self._blocks.maps)
        return self._counter.get_total_flops() // 2 - own

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
            codes="codes" in self._passes,
            images=self.batch_size if self.protocol.reached else None,
            twice="twice" in self._passes,
        )

    @cached_property
    def _blocks(self) -> BlockMaps:
        return BlockMaps(self.batch_size)

    @cached_property
    def _counter(self) -> FlopCounterMode:
        return FlopCounterMode(display=False)

    @cached_property
    def _places(self) -> dict[str, str]:
        return places(self.network)

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        nothing = contextlib.nullcontext()
        counting = self._counter if "flops" in self._passes else nothing
        blocks = self._blocks.watching(self.network) if "blocks" in self._passes else nothing
        with counting, self._recorder, blocks:
            yield

    def _run(
        self,
        parameters: dict[str, Tensor],
        args: tuple[Tensor, ...],
        kwargs: dict[str, Tensor],
        dtype: torch.dtype | None = None,
        graph: bool = True,
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
        return call_network(self.network, given, args, kwargs, graph)

    @cached_property
    def _reached(self) -> set[Any]:
        """All nodes of the output's graph."""
        return reached(self.output.grad_fn)

    @cached_property
    def _reached_leaves(self) -> set[int]:
        return {id(node.variable) for node in self._reached if hasattr(node, "variable")}

    def _announced(self, name: str) -> None:
        if name not in self._passes:
            raise ValueError(f"this probe was made without '{name}' among its passes")


def _watched(x: Tensor) -> Tensor:
    """A leaf that shares memory, with a derivative if it may have one."""
    return x.detach().requires_grad_(x.is_floating_point())
