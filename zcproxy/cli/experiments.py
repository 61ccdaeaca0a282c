"""`zcproxy prune compare` and `zcproxy prune audit`: pruned networks trained side by side."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from zcproxy.cli.typed import command_line
from zcproxy.errors import InputError, InterruptedRun

if TYPE_CHECKING:
    import pandas as pd

    from zcproxy.experiments.cells import Cell, Setup
    from zcproxy.experiments.running import Outcome
    from zcproxy.runs.telling import Progress
    from zcproxy.training.recipe import Recipe

__all__ = [
    "Data",
    "Json",
    "Model",
    "Protocol",
    "PruneBatch",
    "Rounds",
    "Scope",
    "audit",
    "comma_separated",
    "compare",
]

LEDGER = "trainings.jsonl"

Model = Annotated[
    str,
    typer.Option(
        help="package.module:factory, or a name of zcproxy list models; vgg11@8 is narrower."
    ),
]
Data = Annotated[str, typer.Option(help="Data set (zcproxy data list), or a .npz file.")]
Out = Annotated[Path, typer.Option(help="Folder for tables, pictures and what is trained.")]
Densities = Annotated[
    str, typer.Option(help="Fractions of the weights to keep, separated by commas.")
]
Epochs = Annotated[int, typer.Option(min=0, help="Passes through the training images.")]
Batch = Annotated[int, typer.Option(min=1, help="Images per training step.")]
Rate = Annotated[float, typer.Option(min=0, help="Learning rate.")]
Optimizer = Annotated[str, typer.Option(help="sgd or adam.")]
Schedule = Annotated[str, typer.Option(help="Of the learning rate: cosine, step or constant.")]
Momentum = Annotated[float, typer.Option(min=0, max=1, help="Momentum, Adam's beta_1.")]
Decay = Annotated[float, typer.Option(min=0, help="Weight decay.")]
Shift = Annotated[int, typer.Option(min=0, help="Pixels by which images are shifted at random.")]
Flip = Annotated[bool, typer.Option("--flip", help="Mirror images at random.")]
Scope = Annotated[str, typer.Option(help="Of pruning: global, layer, uniform or erk.")]
Rounds = Annotated[
    int | None, typer.Option(min=1, help="Of pruning.", show_default="the method's own")
]
PruneBatch = Annotated[int, typer.Option(min=1, help="Training images that pruning looks at.")]
Protocol = Annotated[str, typer.Option(help="What else fixes a saliency.")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Processes of one thread each.", show_default="one per core"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def compare(
    model: Model,
    out: Out,
    data: Data = "cifar10",
    methods: Annotated[
        str, typer.Option(help="Methods, separated by commas.")
    ] = "random,magnitude,snip,grasp,synflow",
    densities: Densities = "0.2,0.1,0.05,0.02,0.01,0.005",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings per cell, seeds 0, 1, ...")] = 3,
    epochs: Epochs = 10,
    batch: Batch = 100,
    learning_rate: Rate = 0.05,
    optimizer: Optimizer = "sgd",
    schedule: Schedule = "cosine",
    momentum: Momentum = 0.9,
    weight_decay: Decay = 5e-4,
    shift: Shift = 0,
    flip: Flip = False,
    scope: Scope = "global",
    rounds: Rounds = None,
    prune_batch: PruneBatch = 128,
    protocol: Protocol = "clean",
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Train a network pruned by several methods to several densities, beside the dense one.

    What is trained stays in OUT/trainings.jsonl, so the same command goes on where it was stopped,
    and more methods, densities or seeds add to it. OUT gets tables (CSV, Parquet), README.md and
    pictures. Exit 1: some trainings failed; the same command tries them again.

    Example: `zcproxy prune compare --model lenet300 --data mnist --methods snip,random
    --densities 0.1,0.02 --epochs 5 --out snip-mnist`
    """
    from zcproxy.experiments.cells import Pruning, Setup
    from zcproxy.experiments.compare import grid
    from zcproxy.experiments.writing import made, write_comparison
    from zcproxy.pruning.methods import get

    chosen = comma_separated(methods, "--methods")
    for name in chosen:
        get(name)
    recipe = _recipe(
        epochs, batch, learning_rate, optimizer, schedule, momentum, weight_decay, shift, flip
    )
    pruning = Pruning(scope=scope, rounds=rounds, batch_size=prune_batch, protocol=protocol)
    setup = Setup(data, recipe, pruning, str(out / "checkpoints"))
    cells = grid(model, chosen, _numbers(densities), range(seeds))
    outcome = _run(cells, setup, made(out), workers)
    told = write_comparison(out, setup, outcome, command_line())
    _show(told, "method", as_json, [], out)
    _end(outcome)


def audit(
    model: Model,
    out: Out,
    data: Data = "cifar10",
    method: Annotated[
        str | None, typer.Option(help="Audit the masks of a method, one per seed.")
    ] = None,
    ticket: Annotated[
        Path | None, typer.Option(help="Audit one mask, a file of zcproxy prune.")
    ] = None,
    model_seed: Annotated[
        int, typer.Option(min=0, help="Seed of the initial weights that the ticket belongs to.")
    ] = 0,
    densities: Annotated[
        str | None,
        typer.Option(help="Fractions of the weights to keep; of --method.", show_default="0.05"),
    ] = None,
    controls: Annotated[
        str | None, typer.Option(help="Controls, separated by commas.", show_default="all")
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Trainings per cell; 6 are the fewest that can decide.")
    ] = 6,
    epochs: Epochs = 10,
    batch: Batch = 100,
    learning_rate: Rate = 0.05,
    optimizer: Optimizer = "sgd",
    schedule: Schedule = "cosine",
    momentum: Momentum = 0.9,
    weight_decay: Decay = 5e-4,
    shift: Shift = 0,
    flip: Flip = False,
    scope: Scope = "global",
    rounds: Rounds = None,
    prune_batch: PruneBatch = 128,
    protocol: Protocol = "clean",
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Train a mask beside its controls and say whether it beats them.

    The controls: the mask shuffled within every layer, with other initial weights, inverted,
    random weights in its layer ratios, and random weights in ERK's layer ratios. The verdict
    compares seed by seed and says "not shown" where the interval of the difference contains 0.
    Resumes like `zcproxy prune compare`.

    Examples:

    `zcproxy prune audit --model lenet300 --data mnist --method snip --densities 0.02 --out a`

    `zcproxy prune audit --model nets:mine --data cifar10 --ticket ticket.safetensors --out b`
    """
    from zcproxy.experiments.audit import plan, verdicts
    from zcproxy.experiments.cells import Pruning, Setup
    from zcproxy.experiments.compare import table
    from zcproxy.experiments.writing import made, write_audit

    name, chosen = _audited(method, ticket, densities)
    recipe = _recipe(
        epochs, batch, learning_rate, optimizer, schedule, momentum, weight_decay, shift, flip
    )
    pruning = Pruning(
        scope=scope,
        rounds=rounds,
        batch_size=prune_batch,
        protocol=protocol,
        ticket=None if ticket is None else str(ticket),
        model_seed=model_seed,
    )
    against = None if controls is None else comma_separated(controls, "--controls")
    cells = plan(model, name, chosen, range(seeds), against)
    setup = Setup(data, recipe, pruning, str(out / "checkpoints"))
    outcome = _run(cells, setup, made(out), workers)
    found = verdicts(table(outcome.trained))
    told = write_audit(out, setup, outcome, found, command_line())
    lines = [f"{100 * one.density:.4g} %, {one.control}: {one.words}" for one in found]
    _show(told, "control", as_json, lines, out)
    _end(outcome)


def _audited(
    method: str | None, ticket: Path | None, densities: str | None
) -> tuple[str, list[float]]:
    """The method and densities of an audit; a ticket has a density of its own."""
    from zcproxy.experiments.cells import TICKET
    from zcproxy.pruning import Mask
    from zcproxy.pruning.methods import get

    if (method is None) == (ticket is None):
        raise InputError("give either --method NAME or --ticket FILE")
    if ticket is None:
        return get(str(method)).name, _numbers(densities or "0.05")
    if densities is not None:
        raise InputError("a ticket has its own density; --densities belongs to --method")
    return TICKET, [Mask.load(ticket).density]


def _run(cells: Sequence[Cell], setup: Setup, folder: Path, workers: int | None) -> Outcome:
    """Run with progress on standard error; Ctrl-C says what is kept and exits 130."""
    from zcproxy.cli.running import cores
    from zcproxy.cli.trainings import trainings
    from zcproxy.experiments.running import run

    last: list[Progress] = []
    try:
        with trainings(10) as show:

            def progress(state: Progress) -> None:
                last[:] = [state]
                show(state)

            place = folder / LEDGER
            return run(cells, setup, place, workers=workers or cores(), progress=progress)
    except KeyboardInterrupt:
        kept = f"{last[0].done:,} of {last[0].total:,} trainings are" if last else "all so far is"
        raise InterruptedRun(
            f"stopped: {kept} kept in {folder / LEDGER}; the same command goes on from there"
        ) from None


def _recipe(
    epochs: int,
    batch: int,
    learning_rate: float,
    optimizer: str,
    schedule: str,
    momentum: float,
    weight_decay: float,
    shift: int,
    flip: bool,
) -> Recipe:
    from zcproxy.training.recipe import Recipe

    return Recipe(
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        shift=shift,
        flip=flip,
        optimizer=optimizer,
        schedule=schedule,
    )


def _show(
    told: pd.DataFrame, by: str, as_json: bool, verdicts: Sequence[str], folder: Path
) -> None:
    if as_json:
        rows = json.loads(told.to_json(orient="records"))
        typer.echo(json.dumps({"summary": rows, "verdicts": list(verdicts), "out": str(folder)}))
        return
    table = Table(by, "density", "accuracy (%)", "seeds", "effective", "collapsed", box=box.SIMPLE)
    for row in told.to_dict("records"):
        name = row["method"] if row["method"] == "dense" else row[by]
        table.add_row(
            str(name),
            f"{100 * row['density']:.4g} %",
            f"{row['accuracy']:.2f}",
            str(row["seeds"]),
            f"{100 * row['effective']:.3f} %",
            f"{row['collapsed']} of {row['seeds']}",
        )
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    for line in verdicts:
        typer.echo(line)
    typer.echo(f"written: {folder / 'README.md'}")


def _end(outcome: Outcome) -> None:
    """Name failures on standard error, equal ones once, and exit 1 if there are any."""
    for why in dict.fromkeys(outcome.failed.values()):
        cells = [cell for cell, reason in outcome.failed.items() if reason == why]
        first = f"{cells[0].method} {cells[0].control} {cells[0].density:g}"
        others = f" and {len(cells) - 1:,} more" if len(cells) > 1 else ""
        typer.echo(f"failed: {first}{others}: {why}", err=True)
    if outcome.failed:
        raise typer.Exit(1)


def comma_separated(text: str, option: str) -> list[str]:
    """The different words of an option; raises InputError if there are none."""
    found = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not found:
        raise InputError(f"{option} names none; give names separated by commas")
    return found


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",") if word.strip()]
    except ValueError as error:
        raise InputError(
            f"--densities takes numbers separated by commas, such as 0.1,0.01, not '{text}'"
        ) from error
