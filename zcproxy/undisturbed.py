"""Use someone else's network and leave everything as it was."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
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
    """The parameters, buffers and modes of a network, to tell whether they were changed.

    A change is seen by torch's counter of writes to a tensor, which costs next to nothing; what is
    written through `.data` is not counted. The values are copies.
    """

    def __init__(self, network: nn.Module) -> None:
        self._modes = [(module, module.training) for module in network.modules()]
        tensors: dict[str, Tensor] = {**dict(network.named_parameters())}
        tensors |= dict(network.named_buffers())
        self._tensors = tensors
        self._values = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        self._writes = self._counted()

    def put_back(self) -> str:
        """Undo what was changed since; gives the name of one such thing, empty if nothing was."""
        now = self._counted()
        changed = [name for name, writes in now.items() if writes != self._writes[name]]
        if changed:  # batch norm's statistics are not counted, but the number of its batches is
            with torch.no_grad():
                for name, tensor in self._tensors.items():
                    tensor.copy_(self._values[name])
        self._writes = self._counted() if changed else now
        for module, training in self._modes:
            if module.training != training:
                module.training = training
                changed.append("the mode")
        return changed[0] if changed else ""

    def _counted(self) -> dict[str, int]:
        return {n: 0 if t.is_inference() else t._version for n, t in self._tensors.items()}


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
