"""The state of a training in one safetensors file: written whole, resumed to the bit."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from zcproxy.errors import InputError

if TYPE_CHECKING:
    from zcproxy.training.recipe import Recipe
    from zcproxy.training.stream import Stream

__all__ = ["Checkpoint"]


class Checkpoint:
    """Saves and restores network, optimizer and image stream; does nothing without a path.

    The file names the training it belongs to, by a hash of recipe, seed, the names and shapes of
    the network's tensors and its initial values.

    Args:
        path: file, or None.
        network, optimizer, stream: whose state it is, before the first step.
        recipe, seed: what the training is of.
    """

    def __init__(
        self,
        path: Path | None,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        stream: Stream,
        recipe: Recipe,
        seed: int,
    ) -> None:
        self._path, self._network = path, network
        self._optimizer, self._stream = optimizer, stream
        self._key = _key(network, recipe, seed) if path is not None else ""

    def save(self, epoch: int) -> None:
        """Write the state after so many epochs, in place of the one before."""
        if self._path is None:
            return
        from safetensors.torch import save_file

        tensors = {f"network.{k}": v for k, v in _state(self._network).items()}
        for number, values in self._optimizer.state_dict()["state"].items():
            for name, value in values.items():
                if value is not None:
                    tensors[f"optimizer.{number}.{name}"] = torch.as_tensor(value)
        tensors["stream"] = self._stream.generator.get_state()
        whole = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        save_file(whole, part, {"zcproxy": json.dumps({"training": self._key, "epoch": epoch})})
        os.replace(part, self._path)

    def restore(self) -> int:
        """Take over the state in the file; gives the number of epochs done, 0 without a file.

        Raises: InputError if the file is damaged or belongs to another training.
        """
        if self._path is None or not self._path.exists():
            return 0
        tensors, said = _read(self._path)
        if said.get("training") != self._key:
            raise InputError(f"{self._path} is of another training; remove it or choose another")
        with torch.no_grad():
            for name, tensor in _state(self._network).items():
                tensor.copy_(tensors[f"network.{name}"])
        self._stream.generator.set_state(tensors["stream"])
        self._restore_optimizer(tensors)
        return int(said["epoch"])

    def remove(self) -> None:
        """Delete the file; the training is over."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _restore_optimizer(self, tensors: dict[str, Tensor]) -> None:
        """Buffers get the memory layout of their parameters: fused steps walk both in step."""
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        for key, tensor in tensors.items():
            kind, _, rest = key.partition(".")
            if kind == "optimizer":
                number, _, name = rest.partition(".")
                parameter = parameters[int(number)]
                if tensor.shape == parameter.shape:
                    tensor = torch.empty_like(parameter).copy_(tensor)
                self._optimizer.state[parameter][name] = tensor.detach()


def _state(network: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers, the tensors themselves."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def _key(network: nn.Module, recipe: Recipe, seed: int) -> str:
    digest = hashlib.sha256(json.dumps([recipe.described(), seed]).encode())
    for name, tensor in _state(network).items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.detach().contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            said: dict[str, Any] = json.loads((file.metadata() or {}).get("zcproxy", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, said  # noqa: SIM118
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{path} is no whole checkpoint ({error}); remove it") from error
