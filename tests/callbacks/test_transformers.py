"""A mask through Hugging Face's own Trainer, on a tiny BERT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from zcproxy.pruning import Mask, holding, prune

pytest.importorskip("transformers")
pytest.importorskip("accelerate")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*pin_memory.*"),
]


def bert() -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=8,
        num_labels=3,
    )
    return BertForSequenceClassification(config)


def fitted(network: nn.Module, callback: object, folder: Path) -> None:
    from transformers import Trainer, TrainingArguments

    generator = torch.Generator().manual_seed(2)
    data: list[dict[str, Any]] = [
        {"input_ids": torch.randint(20, (6,), generator=generator), "labels": torch.tensor(i % 3)}
        for i in range(8)
    ]
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=2,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        learning_rate=0.01,
        weight_decay=0.1,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    Trainer(model=network, args=arguments, train_dataset=data, callbacks=[callback]).train()


def test_the_mask_holds_and_is_detached(tmp_path: Path) -> None:
    from zcproxy.callbacks import TransformersMask

    network = bert()
    mask = prune(network, None, None, "magnitude", density=0.3)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    fitted(network, TransformersMask(mask), tmp_path)
    mask.verify(network)
    after = dict(network.named_parameters())
    name = "bert.encoder.layer.0.intermediate.dense.weight"
    assert (after[name][mask[name]] != before[name][mask[name]]).all()
    assert holding.attached(network) is None


def test_without_the_callback_weights_come_back(tmp_path: Path) -> None:
    from transformers import TrainerCallback

    from zcproxy.errors import MaskError

    network = bert()
    mask = prune(network, None, None, "magnitude", density=0.3)
    mask.apply(network)
    fitted(network, TrainerCallback(), tmp_path)
    with pytest.raises(MaskError, match="came back"):
        mask.verify(network)


def test_a_mask_of_a_part(tmp_path: Path) -> None:
    from zcproxy.callbacks import TransformersMask

    network = bert()
    inside = prune(network.bert, None, None, "magnitude", density=0.5)
    assert isinstance(inside, Mask)
    fitted(network, TransformersMask(inside, part="bert"), tmp_path)
    inside.verify(network.bert)
