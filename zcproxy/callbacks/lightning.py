"""A mask held while Lightning trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcproxy.callbacks.part import part_of
from zcproxy.errors import InputError

try:
    from lightning.pytorch import Callback
except ImportError:
    try:
        from pytorch_lightning import Callback
    except ImportError as error:
        raise ImportError("Lightning is not installed: pip install 'zcproxy[lightning]'") from error

if TYPE_CHECKING:
    from zcproxy.pruning import Mask

__all__ = ["LightningMask"]


class LightningMask(Callback):
    """Holds a mask from before the first step; proves at the end of every epoch that it held.

    The mask is attached before the module is wrapped for several devices. Lightning's checkpoints
    record which mask it was; a checkpoint of another one is refused. Afterwards the mask is
    detached, and the pruned weights are zero.

    Args:
        mask: what to hold.
        part: name of the submodule the mask was made for, such as `model`; default the Lightning
            module itself or its only child that fits.

    Raises, while training starts: InputError if the mask fits nothing there.
    """

    def __init__(self, mask: Mask, part: str | None = None) -> None:
        self.mask, self.part = mask, part

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Attach the mask before a fit."""
        if stage == "fit":
            self.mask.attach(part_of(pl_module, self.mask, self.part))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Verify."""
        self.mask.verify(part_of(pl_module, self.mask, self.part))

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Detach the mask after a fit."""
        if stage == "fit":
            network = part_of(pl_module, self.mask, self.part)
            self.mask.detach(network)
            self.mask.verify(network)

    def state_dict(self) -> dict[str, Any]:
        """The hash of the mask, for checkpoints."""
        return {"mask": self.mask.sha256}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Refuse a checkpoint of another mask."""
        if state_dict.get("mask") != self.mask.sha256:
            raise InputError("the checkpoint was trained with another mask")
