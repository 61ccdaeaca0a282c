"""Use someone else's network and leave everything as it was."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

__all__ = ["gradients_enabled", "training_mode", "undisturbed_randomness"]


@contextlib.contextmanager
def gradients_enabled() -> Iterator[None]:
    """Build graphs inside, even where the caller is under `no_grad` or `inference_mode`."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


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
    with torch.random.fork_rng():
        try:
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)
            random.seed(seed)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numbers)
