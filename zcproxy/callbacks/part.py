"""The part of a training framework's module that a mask belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcproxy.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    from zcproxy.pruning import Mask

__all__ = ["part_of"]


def part_of(module: nn.Module, mask: Mask, name: str | None) -> nn.Module:
    """The submodule of that name, or without a name the one module the mask fits.

    Without a name it is the module itself, or else its only child that has all of the mask's
    weights.

    Raises: InputError if there is no such submodule, or the mask fits none, or several.
    """
    if name is not None:
        try:
            part = module.get_submodule(name)
        except AttributeError as error:
            raise InputError(f"{type(module).__name__} has no submodule '{name}'") from error
        mask.fits(part)
        return part
    fitting = [one for one in (module, *module.children()) if _fits(one, mask)]
    if len(fitting) != 1:
        found = "none" if not fitting else "more than one"
        raise InputError(
            f"the mask fits {found} of {type(module).__name__} and its children; "
            "name the submodule it was made for: part='...'"
        )
    return fitting[0]


def _fits(module: nn.Module, mask: Mask) -> bool:
    try:
        mask.fits(module)
    except InputError:
        return False
    return True
