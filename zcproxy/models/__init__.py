"""The networks of the pruning literature, by name; nothing here needs torch until one is built."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zcproxy.errors import InputError, unknown

if TYPE_CHECKING:
    from torch import nn

__all__ = ["get", "names", "summary"]


@dataclass(frozen=True)
class _Model:
    """Where a model is built, with which options, a sentence on it, and its smallest images."""

    module: str
    function: str
    options: dict[str, Any]
    summary: str
    smallest: int = 1


_MODELS = {
    "lenet300": _Model("lenet", "lenet300", {}, "LeNet-300-100: three linear layers, for MNIST."),
    "lenet5": _Model("lenet", "lenet5", {}, "LeNet-5 in Caffe's variant, for MNIST.", 16),
    "conv2": _Model("conv", "conv", {"depth": 2}, "Conv-2: two convolutions, three linear.", 2),
    "conv4": _Model("conv", "conv", {"depth": 4}, "Conv-4: four convolutions, three linear.", 4),
    "conv6": _Model("conv", "conv", {"depth": 6}, "Conv-6: six convolutions, three linear.", 8),
    "vgg11": _Model("vgg", "vgg", {"depth": 11}, "VGG-11, batch norm, one linear layer.", 16),
    "vgg16": _Model("vgg", "vgg", {"depth": 16}, "VGG-16, batch norm, one linear layer.", 16),
    "resnet18": _Model("resnet", "resnet18", {}, "ResNet-18 for small images (3x3 stem)."),
    "resnet20": _Model("resnet", "resnet20", {}, "ResNet-20 of CIFAR, shortcuts without weights."),
}


def names() -> list[str]:
    """Names of the built-in models, sorted."""
    return sorted(_MODELS)


def summary(name: str) -> str:
    """A sentence on a model; raises InputError for an unknown name."""
    return _known(name).summary


def get(name: str) -> Callable[..., nn.Module]:
    """The builder of a model: `get("vgg16")(classes=10, in_channels=3, image=32, seed=0)`.

    A name may carry the width of the first layers, which scales all others: `vgg11@8` is VGG-11
    with 8 channels where the original has 64. Equal arguments give equal bits; the global random
    state plays no part.

    Raises: InputError for an unknown name or a width that is no positive whole number; the builder
        for images that are too small.
    """
    plain, at, width = name.partition("@")
    model = _known(plain)
    if at and not (width.isascii() and width.isdigit() and int(width)):
        raise InputError(f"'{name}': a width is a positive whole number, such as {plain}@8")
    options = {**model.options, **({"width": int(width)} if at else {})}

    def build(
        classes: int = 10, in_channels: int | None = None, image: int | None = None, seed: int = 0
    ) -> nn.Module:
        import torch

        if image is not None and image < model.smallest:
            least = model.smallest
            raise InputError(
                f"{plain} takes images of {least}x{least} and more, not {image}x{image}"
            )
        shape = {"in_channels": in_channels, "image": image}
        given = {key: value for key, value in shape.items() if value is not None}
        function = getattr(importlib.import_module(f"{__name__}.{model.module}"), model.function)
        with torch.random.fork_rng(devices=[]):  # layers draw weights that are replaced then
            network: nn.Module = function(classes=classes, seed=seed, **given, **options)
        return network

    return build


def _known(name: str) -> _Model:
    if name not in _MODELS:
        raise unknown("model", name, _MODELS, "zcproxy list models shows all")
    return _MODELS[name]
