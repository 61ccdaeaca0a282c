"""Use someone else's network and leave everything as it was."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

__all__ = ["full_precision", "gradients_enabled", "training_mode", "undisturbed_randomness"]


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
