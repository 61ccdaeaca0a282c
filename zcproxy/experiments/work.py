"""Training one cell: build, prune, swap the mask for its control, train, test."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zcproxy import datasets
from zcproxy.datasets import Images
from zcproxy.errors import InputError, MeasureError, ZcproxyError
from zcproxy.experiments.cells import DENSE, MASK, Cell, Pruning, Setup, Trained
from zcproxy.experiments.controls import Audited, control
from zcproxy.kinds import ERROR
from zcproxy.models.reference import build
from zcproxy.pruning import Mask, consequences, prune, saliency_scores
from zcproxy.pruning.methods import prunable
from zcproxy.runs.items import Item, failures
from zcproxy.store.database import Row
from zcproxy.training import accuracy, fit

__all__ = ["check", "drawn", "item", "result", "train_cell", "train_item"]

ACCURACY = "accuracy"


def train_cell(cell: Cell, setup: Setup, images: Images) -> Trained:
    """Prune and train one network; equal arguments give equal bits, wherever and whenever.

    Raises: InputError, MeasureError and the like where the model cannot be built or pruned.
    """
    begun = time.process_time()
    network, mask, effects = pruned(cell, setup.pruning, images)
    pruning_seconds = time.process_time() - begun
    fit(network, images, setup.recipe, cell.seed, mask=mask, checkpoint=_checkpoint(cell, setup))
    return Trained(
        **vars(cell),
        accuracy=accuracy(network, images),
        **effects,
        seconds=round(time.process_time() - begun, 3),
        pruning_seconds=round(pruning_seconds, 3),
    )


def pruned(
    cell: Cell, how: Pruning, images: Images
) -> tuple[nn.Module, Mask | None, dict[str, Any]]:
    """The untrained network of a cell, its mask, and what the mask does to it."""
    ticket = how.ticket is not None
    network = _built(cell, images, how.model_seed if ticket else cell.seed)
    if cell.method == DENSE:
        return network, None, _dense(network)
    inputs, targets = drawn(images, how.batch_size, how.model_seed if ticket else cell.seed)
    made = _ticket(how, network) if ticket else _mask(cell, how, network, inputs, targets)
    mask = made
    if cell.control != MASK:
        audited = Audited(
            network,
            made,
            cell.seed,
            lambda seed: _built(cell, images, seed),
            lambda: _scores(network, inputs, targets, made),
        )
        network, mask = control(cell.control, audited)
    return network, mask, _effects(network, mask, inputs)


def drawn(images: Images, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Training images drawn without replacement, for pruning to look at.

    Raises: InputError if there are not so many.
    """
    if not 1 <= size <= len(images.train_inputs):
        raise InputError(
            f"pruning cannot look at {size} of {len(images.train_inputs)} training images"
        )
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(images.train_inputs), generator=generator)[:size]
    return images.train_inputs[chosen], images.train_targets[chosen]


def check(cells: Iterable[Cell], setup: Setup, images: Images) -> None:
    """Raise what would be wrong with every cell: with the model, the ticket, the way to prune.

    Where there is one model, it is built and pruned at random to the highest density.

    Raises: InputError; DataError if the ticket is damaged, or for another network.
    """
    wanted = [cell for cell in cells if cell.method != DENSE]
    if len({cell.model for cell in wanted}) == 1:
        densest = max(wanted, key=lambda cell: cell.density)
        trial = replace(densest, method="random", control=MASK)
        pruned(trial, replace(setup.pruning, rounds=1), images)


def item(cell: Cell) -> Item:
    """To the pool of workers a cell is a network whose accuracy is one more number to measure."""
    return Item(json.dumps(vars(cell)), cell.model, (ACCURACY,), cost=1.0)


def train_item(work: Item, setup: Setup) -> list[Row]:
    """Train the cell of an item; the worker processes call it. What goes wrong is a row, too."""
    try:
        trained = train_cell(Cell(**json.loads(work.network)), setup, _images(setup.data))
    except MeasureError as error:
        return failures(work, error.kind, str(error))
    except ZcproxyError as error:
        return failures(work, "refused", str(error))
    except Exception as error:
        return failures(work, ERROR, f"{type(error).__name__}: {error}")
    told = json.dumps(vars(trained))
    return [Row(work.network, ACCURACY, trained.accuracy, message=told, seconds=trained.seconds)]


def result(row: Row) -> Trained | str:
    """What a row of `train_item` tells: the trained cell, or why there is none."""
    if row.value is None:
        return f"{row.failure}: {row.message}"
    return Trained(**json.loads(row.message or ""))


@lru_cache(maxsize=1)
def _images(data: str) -> Images:
    return datasets.load(data)


def _built(cell: Cell, images: Images, seed: int) -> nn.Module:
    channels, height, width = images.train_inputs.shape[1:]
    return build(cell.model, images.classes, (channels, height, width), seed)


def _dense(network: nn.Module) -> dict[str, Any]:
    sizes = {name: weight.numel() for name, weight in prunable(network).items()}
    total = sum(sizes.values())
    layers = {name: [size, size] for name, size in sizes.items()}
    return {"kept": total, "total": total, "effective": 1.0, "layers": layers, "collapsed": []}


def _scores(
    network: nn.Module, inputs: Tensor, targets: Tensor, mask: Mask
) -> Mapping[str, Tensor]:
    """Scores of the whole network by the method that made the mask.

    Raises: InputError if the mask does not say, or says another loss than ours.
    """
    if "method" not in mask.recipe:
        raise InputError("the ticket does not say which method made it, so it has no inverse")
    if mask.recipe.get("loss", "cross_entropy") != "cross_entropy":
        raise InputError(f"the ticket was made with the loss {mask.recipe['loss']}, not ours")
    return saliency_scores(
        network,
        inputs,
        targets,
        mask.recipe["method"],
        protocol=mask.recipe.get("protocol", "clean"),
        seed=mask.recipe.get("seed", 0),
    )


def _mask(cell: Cell, how: Pruning, network: nn.Module, inputs: Tensor, targets: Tensor) -> Mask:
    return prune(
        network,
        inputs,
        targets,
        method=cell.method,
        density=cell.density,
        scope=how.scope,
        rounds=how.rounds,
        schedule=how.schedule,
        protect=how.protect,
        floor=how.floor,
        budget=how.budget,
        seed=cell.seed,
        protocol=how.protocol,
    )


def _ticket(how: Pruning, network: nn.Module) -> Mask:
    """The mask of the file, if it was made for this network with these weights."""
    return Mask.load(Path(str(how.ticket)), network, same_weights=True)


def _effects(network: nn.Module, mask: Mask, inputs: Tensor) -> dict[str, Any]:
    report = consequences(network, mask, inputs)
    layers = {name: [int(mask[name].sum()), mask[name].numel()] for name in mask}
    return {
        "kept": mask.kept,
        "total": mask.total,
        "effective": 1 - report.effective_sparsity,
        "layers": layers,
        "collapsed": list(report.collapsed),
    }


def _checkpoint(cell: Cell, setup: Setup) -> Path | None:
    if setup.checkpoints is None:
        return None
    name = hashlib.sha256(json.dumps(vars(cell)).encode()).hexdigest()[:16]
    return Path(setup.checkpoints) / f"{name}.safetensors"
