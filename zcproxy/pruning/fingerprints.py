"""Hashes of weights and batches: whether two people mean the same ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zcproxy.probe import Inputs
from zcproxy.pruning.batches import Batches

__all__ = ["of_batch", "of_network"]


@torch.no_grad()
def of_network(network: nn.Module, mask: Mapping[str, Tensor]) -> str:
    """SHA-256 of all parameters with the pruned weights at zero: names, types, shapes, bytes.

    Applying the mask to the network, or not, makes no difference. Buffers play no part.
    """
    digest = hashlib.sha256()
    for name, p in network.named_parameters():
        values = p.detach().cpu()
        if name in mask:
            values = values.masked_fill(~mask[name], 0)
        _add(digest, name, values)
    return digest.hexdigest()


def of_batch(inputs: Inputs | Batches, targets: Any) -> str:
    """SHA-256 of the tensors of a batch, inputs and targets: types, shapes, bytes.

    Targets other than tensors count by their representation.
    """
    digest = hashlib.sha256()
    pairs = inputs.pairs if isinstance(inputs, Batches) else [(inputs, targets)]
    for number, (given, labels) in enumerate(pairs):
        _visit(digest, f"inputs {number}", given)
        _visit(digest, f"targets {number}", labels)
    return digest.hexdigest()


def _visit(digest: Any, name: str, value: Any) -> None:
    if isinstance(value, Tensor):
        _add(digest, name, value.detach().cpu())
    elif isinstance(value, Mapping):
        for key, part in value.items():
            _visit(digest, f"{name}.{key}", part)
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            _visit(digest, f"{name}.{place}", part)
    else:
        digest.update(f"{name} {value!r}\n".encode())


def _add(digest: Any, name: str, values: Tensor) -> None:
    digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
    digest.update(values.contiguous().reshape(-1).view(torch.uint8).numpy().data)
