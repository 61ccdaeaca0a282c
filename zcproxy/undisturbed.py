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
    Looking takes a fraction of a millisecond; the values are copies.

    Args:
        network: any module.
        others: tensors of the batch.
    """

    def __init__(self, network: nn.Module, others: Iterable[Tensor] = ()) -> None:
        self._modules = [
            (name, module, module.training, [dict(getattr(module, kind)) for kind in _TABLES])
            for name, module in network.named_modules()
        ]
        tensors: dict[str, Tensor] = {**dict(network.named_parameters())}
        tensors |= dict(network.named_buffers())
        tensors |= {f"input or target {i}": tensor for i, tensor in enumerate(others)}
        self._tensors = [
            (name, tensor, tensor.detach().clone(), tensor.grad if tensor.is_leaf else None)
            for name, tensor in tensors.items()
        ]
        self._wanted = [tensor.requires_grad for _, tensor, _, _ in self._tensors]
        self._writes = self._counted()

    def changed(self) -> str:
        """The name of something that was changed, empty if nothing was."""
        for (name, tensor, _, grad), wanted in zip(self._tensors, self._wanted, strict=True):
            if tensor.is_leaf and tensor.grad is not grad:
                return f"the gradient of {name}"
            if tensor.requires_grad != wanted:
                return f"requires_grad of {name}"
        for (name, *_), before, now in zip(
            self._tensors, self._writes, self._counted(), strict=True
        ):
            if before != now:
                return name
        for name, module, training, tables in self._modules:
            if module.training != training:
                return f"the mode of {name or 'the whole'}"
            for kind, table in zip(_TABLES, tables, strict=True):
                if not _same(getattr(module, kind), table):
                    return f"{kind.strip('_').replace('_', ' ')} of {name or 'the whole'}"
        return ""

    def put_back(self) -> None:
        """Undo it."""
        for _, module, training, tables in self._modules:
            module.training = training
            for kind, table in zip(_TABLES, tables, strict=True):
                now = getattr(module, kind)
                if not _same(now, table):
                    now.clear()
                    now.update(table)
        for (_, tensor, value, grad), wanted in zip(self._tensors, self._wanted, strict=True):
            if not torch.equal(tensor, value):
                _write(tensor, value)
            if tensor.is_leaf:
                tensor.grad = grad
                tensor.requires_grad_(wanted)
        self._writes = self._counted()

    def _counted(self) -> list[int]:
        return [0 if t.is_inference() else t._version for _, t, _, _ in self._tensors]


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


def _same(now: dict[Any, Any], before: dict[Any, Any]) -> bool:
    """Whether two tables have the same things under the same names."""
    if len(now) != len(before):
        return False
    return all(now.get(name) is thing for name, thing in before.items())


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
