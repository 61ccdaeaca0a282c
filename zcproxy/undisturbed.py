"""Use someone else's network and leave everything as it was."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = [
    "Kept",
    "full_precision",
    "gradients_enabled",
    "training_mode",
    "undisturbed_randomness",
]


@contextlib.contextmanager
def gradients_enabled() -> Iterator[None]:
    """Build graphs inside, even where the caller is under `no_grad` or `inference_mode`."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """On GPUs in use: float32 is float32 inside, not TF32, and convolutions repeat their bits."""
    if not _gpus_in_use():
        yield
        return
    cudnn: Any = torch.backends.cudnn
    name = "allow_tf32"
    exact: object = False
    if hasattr(cudnn, "conv"):  # torch 2.9 and later
        cudnn, name, exact = cudnn.conv, "fp32_precision", "ieee"
    settings = [
        (cudnn, name, exact),
        (torch.backends.cuda.matmul, name, exact),
        (torch.backends.cudnn, "deterministic", True),
    ]
    before = [getattr(where, name) for where, name, _ in settings]
    try:
        for where, name, value in settings:
            setattr(where, name, value)
        yield
    finally:
        for (where, name, _), value in zip(settings, before, strict=True):
            setattr(where, name, value)


@contextlib.contextmanager
def training_mode(network: nn.Module, training: bool = True) -> Iterator[None]:
    """Put every module into training (or evaluation) mode, and back into its own mode after."""
    before = {module: module.training for module in network.modules()}
    try:
        for module in before:
            module.training = training
        yield
    finally:
        for module, was in before.items():
            module.training = was


class Kept:
    """What a network and a batch are, to tell whether something changed them, and to undo it.

    Seen are writes to parameters, buffers and tensors of the batch, by torch's counter; other
    tensors or modules in their places; gradients in `.grad`, `requires_grad`, modes and hooks. Not
    seen is what is written through `.data` or to batch norm's statistics by its function alone.
    The values are copies.

    Args:
        network: any module.
        others: tensors of the batch.
    """

    def __init__(self, network: nn.Module, others: Iterable[Tensor] = ()) -> None:
        tensors: dict[str, Tensor] = {**dict(network.named_parameters())}
        tensors |= dict(network.named_buffers())
        tensors |= {f"input or target {i}": tensor for i, tensor in enumerate(others)}
        modules = dict(network.named_modules())
        self._names, self._owners = list(tensors), [name or "the whole" for name in modules]
        self._tensors, self._modules = list(tensors.values()), list(modules.values())
        self._values = [tensor.detach().clone() for tensor in self._tensors]
        self._gradients = [t.grad if t.is_leaf else None for t in self._tensors]
        self._leaves = [t if t.is_leaf else None for t in self._tensors]
        self._tables = [vars(module)[kind] for module in self._modules for kind in _TABLES]
        self._entries = [dict(table) for table in self._tables]
        self._things = [
            (table, name)
            for table, kept in zip(self._tables, self._entries, strict=True)
            for name in kept
        ]
        self._seen = self._look()

    def _look(self) -> tuple[list[int], ...]:
        """Numbers that are others once something was changed."""
        return (
            [0 if t.is_inference() else t._version for t in self._tensors],
            [t.requires_grad for t in self._tensors],
            [0 if leaf is None else id(leaf.grad) for leaf in self._leaves],
            [module.training for module in self._modules],
            [len(table) for table in self._tables],
            [id(table.get(name)) for table, name in self._things],
        )

    def changed(self) -> str:
        """The name of something that was changed, empty if nothing was."""
        now = self._look()
        if now == self._seen:
            return ""
        kinds = [kind.strip("_").replace("_", " ") for kind in _TABLES]
        held = [f"{kind} of {owner}" for owner in self._owners for kind in kinds]
        told = (
            self._names,
            [f"requires_grad of {name}" for name in self._names],
            [f"the gradient of {name}" for name in self._names],
            [f"the mode of {owner}" for owner in self._owners],
            held,
            [w for w, kept in zip(held, self._entries, strict=True) for _ in kept],
        )
        return next(
            name
            for part in (2, 1, 0, 3, 4, 5)
            for name, a, b in zip(told[part], self._seen[part], now[part], strict=True)
            if a != b
        )

    def put_back(self) -> None:
        """Undo it."""
        for module, training in zip(self._modules, self._seen[3], strict=True):
            module.training = bool(training)
        for table, kept in zip(self._tables, self._entries, strict=True):
            if len(table) != len(kept) or any(table.get(n) is not kept[n] for n in kept):
                table.clear()
                table.update(kept)
        for tensor, value in zip(self._tensors, self._values, strict=True):
            if not torch.equal(tensor, value):
                _write(tensor, value)
        for leaf, gradient in zip(self._leaves, self._gradients, strict=True):
            if leaf is not None:
                leaf.grad = gradient
        for tensor, wanted in zip(self._tensors, self._seen[1], strict=True):
            if tensor.requires_grad != wanted:
                tensor.requires_grad_(bool(wanted))
        self._seen = (self._look()[0], *self._seen[1:])


_TABLES = (
    "_parameters",
    "_buffers",
    "_modules",
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)
"""What a module keeps by name."""


def _write(tensor: Tensor, value: Tensor) -> None:
    """Give a tensor its values back, in place where its memory allows that."""
    try:
        with torch.inference_mode(tensor.is_inference()), torch.no_grad():
            tensor.copy_(value)
    except RuntimeError:  # several elements share one place of memory
        tensor.data = value.clone()


@contextlib.contextmanager
def undisturbed_randomness(seed: int) -> Iterator[None]:
    """Seed the random states of torch, numpy and Python inside; give all of them back after."""
    python, numbers = random.getstate(), np.random.get_state()
    gpus = range(torch.cuda.device_count()) if _gpus_in_use() else ()
    with torch.random.fork_rng(gpus):
        try:
            _seed_torch(seed)
            np.random.seed(seed % 2**32)
            random.seed(seed)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numbers)


def _seed_torch(seed: int) -> None:
    """Seed torch; a GPU that is not in use is not told, or it would remember when it is."""
    if torch.cuda.is_available() and not _gpus_in_use():
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def _gpus_in_use() -> bool:
    in_use: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return in_use
