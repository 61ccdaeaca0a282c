"""A mask through Lightning's own Trainer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from zcproxy.errors import InputError
from zcproxy.pruning import Mask, holding

pytest.importorskip("lightning")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*num_workers.*"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*"),
]


def lightning_module() -> nn.Module:
    import lightning

    class Classifier(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))

        def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
            return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=0.05, weight_decay=0.1)

    torch.manual_seed(0)
    return Classifier()


def mask_of(network: nn.Module) -> Mask:
    generator = torch.Generator().manual_seed(1)
    return Mask(
        {
            name: torch.rand(p.shape, generator=generator) < 0.4
            for name, p in network.named_parameters()
            if p.dim() == 2
        }
    )


def fitted(module: nn.Module, callbacks: list, folder: Path, epochs: int = 2, **more: object):
    import lightning

    data = [(torch.randn(6, 4), torch.arange(6) % 3) for _ in range(3)]
    trainer = lightning.Trainer(
        max_epochs=epochs,
        callbacks=callbacks,
        enable_checkpointing=False,
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accumulate_grad_batches=2,
    )
    trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=None), **more)
    return trainer


def test_the_mask_holds_and_is_detached(tmp_path: Path) -> None:
    from zcproxy.callbacks import LightningMask

    module = lightning_module()
    mask = mask_of(module.model)
    before = module.model[0].weight.detach().clone()
    fitted(module, [LightningMask(mask)], tmp_path)
    mask.verify(module.model)
    kept = mask["0.weight"]
    assert (module.model[0].weight[kept] != before[kept]).all()
    assert holding.attached(module.model) is None


def test_a_mask_that_came_off_is_noticed(tmp_path: Path) -> None:
    import lightning

    from zcproxy.callbacks import LightningMask
    from zcproxy.errors import MaskError

    class Meddler(lightning.Callback):
        def on_train_epoch_end(self, trainer: object, pl_module: nn.Module) -> None:
            with torch.no_grad():
                pl_module.model[0].weight.fill_(1.0)

    module = lightning_module()
    callbacks = [Meddler(), LightningMask(mask_of(module.model))]
    with pytest.raises(MaskError, match="came back"):
        fitted(module, callbacks, tmp_path)


def test_checkpoints_know_their_mask(tmp_path: Path) -> None:
    from zcproxy.callbacks import LightningMask

    module = lightning_module()
    mask = mask_of(module.model)
    trainer = fitted(module, [LightningMask(mask)], tmp_path, epochs=1)
    trainer.save_checkpoint(tmp_path / "c.ckpt")
    again = lightning_module()
    fitted(again, [LightningMask(mask)], tmp_path, epochs=2, ckpt_path=tmp_path / "c.ckpt")
    mask.verify(again.model)
    other = Mask({name: ~bits for name, bits in mask.items()})
    with pytest.raises(InputError, match="trained with another mask"):
        fitted(lightning_module(), [LightningMask(other)], tmp_path, ckpt_path=tmp_path / "c.ckpt")


def test_a_mask_of_another_network_is_refused(tmp_path: Path) -> None:
    from zcproxy.callbacks import LightningMask

    mask = mask_of(nn.Linear(3, 3))
    with pytest.raises(InputError, match="fits none"):
        fitted(lightning_module(), [LightningMask(mask)], tmp_path)
