"""How pruned weights are held at zero while a network trains.

Three things together: gradients of pruned weights are zeroed on their way into `.grad`, weights
after every optimizer step and before every forward pass. The hook of the forward pass belongs to
the network and goes with its copies, where it installs the others anew.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["Holder", "attach", "attached", "detach"]

_PRUNED = WeakTensorKeyDictionary()
"""By parameter, where it is pruned: what optimizer steps must leave at zero."""


def attach(network: nn.Module, kept: Mapping[str, Tensor]) -> None:
    """Hold the weights a mask does not keep at zero."""
    holder = Holder(kept)
    network.register_forward_pre_hook(holder, prepend=True)
    network.register_load_state_dict_post_hook(holder.after_loading)  # type: ignore[no-untyped-call]
    _watch_optimizers()
    holder.hold(network)


def attached(network: nn.Module) -> Holder | None:
    """What holds the weights of this network, if a mask is attached to it."""
    hooks = network._forward_pre_hooks.values()
    return next((hook for hook in hooks if isinstance(hook, Holder)), None)


def detach(network: nn.Module) -> None:
    """Take away all that `attach` installed, on this network or on what it is a copy of."""
    holder = attached(network)
    if holder is None:
        return
    holder.release(network)
    for key in [k for k, hook in network._forward_pre_hooks.items() if hook is holder]:
        del network._forward_pre_hooks[key]
    loading = network._load_state_dict_post_hooks
    for key in [k for k, hook in loading.items() if getattr(hook, "__self__", None) is holder]:
        del loading[key]


class Holder:
    """Holds the weights of one network; its copies make a holder of their own for theirs.

    `kept` is the mask, boolean by parameter name.
    """

    def __init__(self, kept: Mapping[str, Tensor]) -> None:
        self.kept = dict(kept)
        self._handles: dict[str, tuple[int, Any]] = {}
        self._pruned: dict[tuple[str, torch.device], Tensor] = {}

    def __call__(self, network: nn.Module, args: Any) -> None:
        self.hold(network)

    def __getstate__(self) -> dict[str, Any]:
        return {"kept": self.kept}  # handles are of this process and of these parameters

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["kept"])  # type: ignore[misc]
        _watch_optimizers()

    def __deepcopy__(self, memo: dict[int, Any]) -> Holder:
        return memo.setdefault(id(self), Holder(self.kept))  # type: ignore[no-any-return]

    def after_loading(self, network: nn.Module, keys: Any) -> None:
        """What `load_state_dict` brought goes back to zero."""
        self.hold(network)

    def hold(self, network: nn.Module) -> None:
        """Set pruned weights to zero, and follow parameters that are new here."""
        for name, p in self._parameters(network):
            pruned = self._where(name, p.device)
            p.data.masked_fill_(pruned, 0)  # not counted as a change: a graph may need the weight
            if not self._follows(name, p):
                self._follow(name, p, pruned)

    def release(self, network: nn.Module) -> None:
        """Take the hooks off the parameters."""
        for _, handle in self._handles.values():
            if handle is not None:
                handle.remove()
        for _, p in self._parameters(network):
            _PRUNED.pop(p, None)  # type: ignore[no-untyped-call]
        self._handles.clear()

    def _follows(self, name: str, p: nn.Parameter) -> bool:
        """Whether the hooks are on this very parameter, that of its gradient included."""
        followed, handle = self._handles.get(name, (0, None))
        known = followed == id(p) and p in _PRUNED
        return known and (handle is not None or not p.requires_grad)

    def _follow(self, name: str, p: nn.Parameter, pruned: Tensor) -> None:
        before = self._handles.get(name)
        if before is not None and before[1] is not None:
            before[1].remove()
        handle = None
        if p.requires_grad:
            hook = functools.partial(_without, pruned)
            handle = p.register_hook(hook)  # type: ignore[no-untyped-call]
        if p.grad is not None:
            p.grad.detach().masked_fill_(pruned, 0)
        _PRUNED[p] = pruned
        self._handles[name] = (id(p), handle)

    def _parameters(self, network: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
        for name in self.kept:
            path, _, attribute = name.rpartition(".")
            p = getattr(network.get_submodule(path), attribute)
            if isinstance(p, nn.Parameter):  # not what a functional call put in its place
                yield name, p

    def _where(self, name: str, device: torch.device) -> Tensor:
        key = (name, device)
        if key not in self._pruned:
            self._pruned[key] = ~self.kept[name].to(device)
        return self._pruned[key]


def _without(pruned: Tensor, gradient: Tensor) -> Tensor:
    """The gradient with zeros in place of whatever pruned weights have, infinities too."""
    return gradient.masked_fill(pruned.to(gradient.device), 0)


@functools.cache
def _watch_optimizers() -> None:
    """From now on, every step of any optimizer leaves the weights of attached masks at zero."""
    register_optimizer_step_post_hook(_after_step)


def _after_step(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    if not _PRUNED:
        return
    for group in optimizer.param_groups:
        for p in group["params"]:
            pruned = _PRUNED.get(p)  # type: ignore[no-untyped-call]
            if pruned is not None:
                p.data.masked_fill_(pruned.to(p.device), 0)
