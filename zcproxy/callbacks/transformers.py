"""A mask held while Hugging Face's Trainer trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcproxy.callbacks.part import part_of

try:
    from transformers import TrainerCallback
except ImportError as error:
    raise ImportError(
        "transformers is not installed: pip install 'zcproxy[transformers]'"
    ) from error

if TYPE_CHECKING:
    from zcproxy.pruning import Mask

__all__ = ["TransformersMask"]


class TransformersMask(TrainerCallback):
    """Holds a mask from before the first step; proves at the end of every epoch that it held.

    Afterwards the mask is detached, and the pruned weights are zero. In several processes call
    `mask.attach(model)` before the Trainer is made, too: the Trainer has wrapped the model by the
    time it calls the callback.

    Args:
        mask: what to hold.
        part: name of the submodule the mask was made for, such as `bert`; default the model
            itself or its only child that fits.

    Raises, while training starts: InputError if the mask fits nothing there.
    """

    def __init__(self, mask: Mask, part: str | None = None) -> None:
        self.mask, self.part = mask, part

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Attach the mask."""
        self.mask.attach(part_of(kwargs["model"], self.mask, self.part))

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Verify."""
        self.mask.verify(part_of(kwargs["model"], self.mask, self.part))

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Detach the mask."""
        network = part_of(kwargs["model"], self.mask, self.part)
        self.mask.detach(network)
        self.mask.verify(network)
