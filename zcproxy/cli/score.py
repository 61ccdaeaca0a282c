"""`zcproxy score`: scores of a space into a store, or of one model to the screen."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from zcproxy.cli.progress import duration
from zcproxy.cli.running import (
    AGAIN,
    cores,
    default_store,
    run_kept,
    with_adopted,
    write_kept,
)
from zcproxy.errors import InputError, unknown

if TYPE_CHECKING:
    from zcproxy.runs import Summary

__all__ = ["parse_proxies", "score"]


def score(
    space: Annotated[
        str | None, typer.Option(help="Search space to score (zcproxy list spaces).")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Score one model of your own instead: package.module:factory, a function without "
            "arguments that returns a torch.nn.Module."
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Data set of the batch (zcproxy data list), or a .npz file.",
            show_default="that of the space; cifar10 for a model",
        ),
    ] = None,
    proxies: Annotated[
        str,
        typer.Option(help="Proxies, separated by commas; cheap: all but the dear ones; or all."),
    ] = "cheap",
    protocol: Annotated[
        str, typer.Option(help="What else fixes a score (zcproxy list protocols).")
    ] = "clean",
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Images in the batch.", show_default="the protocol's, mostly 64"),
    ] = None,
    batch_seed: Annotated[int, typer.Option(min=0, help="Which batch of the data set.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the initial weights.")] = 0,
    architectures: Annotated[
        Path | None, typer.Option(help="Score those of a text file, one architecture per line.")
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(help="Score those with an accuracy in a table (zcproxy data list) or file."),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Score this many, drawn at random (of --table where given)."),
    ] = None,
    sample_seed: Annotated[int, typer.Option(help="Seed of the drawing.")] = 0,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes of one thread each.",
            show_default="one per core, 4 for a GPU",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS|local",
            help="Score on a Ray cluster: HOST:PORT of its head, auto where it runs here, or local "
            "(needs zcproxy[ray]). --workers is then the most at once.",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Where to compute: cpu, or a GPU as cuda or cuda:1.")
    ] = "cpu",
    stack: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Networks side by side, for GPUs.",
            show_default="1 on cpu, what fits on a GPU",
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="SQLite file of the run.", show_default="named after the settings"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the table of scores, .parquet or .csv. If it is there, it is added to; "
            "what it has is not scored again (what crashed there, with --retry)."
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Stop after so many minutes; the same command goes on. Architectures come in "
            "random order (not in stacks), so correlate, report and analyze have a random sample.",
        ),
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try again what crashed or met an unexpected error.")
    ] = False,
    rescore: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Proxies whose old scores of these architectures, in the store and in --out, are "
            "deleted first, as after a change of their files. To resume, leave it out.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Score architectures of a space, or one model, by zero-cost proxies.

    Equal networks are scored once. The run is kept in a store: the same command again goes on
    where it was stopped, and other proxies or architectures with the same settings add to it.
    A model is built by calling its factory in the current folder with the seed set; several models
    are compared by `zcproxy rank --models`. Exit 0: every score has a value; 1: some are failures,
    such as those of networks without a path from input to output, or the time was up; 2: wrong use.

    Examples:

    `zcproxy score --space nasbench201 --out scores.parquet`

    `zcproxy score --space nasbench201 --sample 100 --proxies snip,nwot --out scores.csv`

    `zcproxy score --space digits201 --table digits201 --batch-size 32 --out digits.parquet`

    `zcproxy score --space nasbench201 --architectures cells.txt --dataset cifar100 --workers 4`

    `zcproxy score --space nasbench201 --proxies all --minutes 60 --out scores.parquet`

    `zcproxy score --model mynets:small --dataset cifar10` (mynets.py has a function small)
    """
    names = parse_proxies(proxies)
    if (space is None) == (model is None):
        raise InputError("give either --space NAME or --model package.module:factory")
    if model is not None:
        of_a_space = [architectures, table, sample, store, out, workers, ray, stack, minutes]
        of_a_space += [rescore]
        if device != "cpu" or any(option is not None for option in of_a_space):
            raise InputError(
                "--architectures, --table, --sample, --workers, --ray, --device, --stack, "
                "--minutes, --rescore, --store and --out belong to --space"
            )
        _score_model(
            model, dataset or "cifar10", names, protocol, batch_size, batch_seed, seed, as_json
        )
        return
    assert space is not None
    from zcproxy.store.frame import check_output, check_replaced

    chosen = _architectures(space, architectures, table, sample, sample_seed)
    anew = [] if rescore is None else parse_proxies(rescore, "--rescore")
    if others := [name for name in anew if name not in names]:
        raise InputError(
            f"--rescore {','.join(others)}: not among --proxies, which would not score it"
        )
    if out is not None:
        check_output(out)
    from zcproxy import spaces
    from zcproxy.configuration import Configuration
    from zcproxy.runs import prepare

    setup = prepare(
        space,
        dataset or spaces.get(space).dataset,
        batch_size=batch_size,
        batch_seed=batch_seed,
        seed=seed,
        protocol=protocol,
    )
    place = store or default_store(setup.configuration)
    written = list(dict.fromkeys(chosen)), names
    if out is not None:
        there = check_replaced(out, setup.configuration.to_dict(), Configuration.defaults())
        if there is not None:
            written = with_adopted(place, setup.configuration, there, out, *written)
    again = AGAIN + (" without --rescore" if anew else "")

    def rewritten() -> None:
        """Delete old scores from the file, too: a run that is stopped took them from it again."""
        if out is not None and out.is_file():
            write_kept(place, *written, out, again)

    if workers is None and ray is None:
        workers = _processes(device)
    summary = run_kept(
        setup,
        chosen,
        names,
        place,
        workers,
        retry=retry,
        ray=ray,
        device=device,
        stack=stack,
        limit=None if minutes is None else 60 * minutes,
        again=again,
        rescore=anew,
        forgotten=rewritten,
    )
    if out is not None:
        write_kept(place, *written, out, again)
    _print_summary(summary, names, out, as_json, again)
    if summary.failures or summary.left:
        raise typer.Exit(1)


def _processes(device: str) -> int:
    """How many processes score on a device unless told."""
    from zcproxy.runs.stacks import WORKERS

    return cores() if device == "cpu" else WORKERS


def parse_proxies(text: str, option: str = "--proxies") -> list[str]:
    """The proxies of a comma-separated list, each once, in its order; `cheap`, `all` are many."""
    from zcproxy import proxies

    known = proxies.names()
    groups = {"all": known, "cheap": proxies.cheap()}
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    if not wanted:
        raise InputError(f"{option} names none; give names separated by commas, cheap, or all")
    found: dict[str, None] = {}
    for name in wanted:
        if name not in known and name not in groups:
            from zcproxy.analysis.combine import no_proxy

            if instead := no_proxy(name):
                raise InputError(instead)
            raise unknown("proxy", name, known, "zcproxy list proxies shows all")
        found |= dict.fromkeys(groups.get(name, [name]))
    return list(found)


def _architectures(
    space: str, file: Path | None, table: str | None, size: int | None, seed: int
) -> list[str]:
    from zcproxy import spaces
    from zcproxy.runs import selection

    known = spaces.get(space)
    if file is not None and table is not None:
        raise InputError("give either --architectures or --table, not both")
    if file is not None and size is not None:
        raise InputError("give either --architectures or --sample, not both")
    if file is not None:
        return selection.from_file(known, file)
    if table is not None:
        return _of_table(space, table, size, seed)
    return known.architectures() if size is None else selection.sample(known, size, seed)


def _of_table(space: str, table: str, size: int | None, seed: int) -> list[str]:
    """The architectures that a table has, or some of them; what their accuracies are is not asked.

    Raises InputError where the table is of another space or has fewer.
    """
    from zcproxy import tables

    frame = tables.load(table)
    if frame.attrs["space"] != space:
        raise InputError(
            f"the table {table} holds architectures of {frame.attrs['space']}, not of {space}"
        )
    found = [str(architecture) for architecture in frame["architecture"]]
    if size is None:
        return found
    if size > len(found):
        raise InputError(f"cannot draw {size} architectures from the {len(found)} of table {table}")
    drawn = random.Random(seed).sample(range(len(found)), size)
    return [found[index] for index in sorted(drawn)]


def _print_summary(
    summary: Summary, proxies: Sequence[str], out: Path | None, as_json: bool, again: str
) -> None:
    from zcproxy.runs.coordinator import RETRIED

    if as_json:
        values = {
            **asdict(summary),
            "store": str(summary.store),
            "proxies": list(proxies),
            "out": None if out is None else str(out),
        }
        typer.echo(json.dumps(values))
        return
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(summary.failures.items()))
    left = f", {summary.left:,} left ({again} goes on)" if summary.left else ""
    lines = {
        "architectures": f"{summary.architectures:,}",
        "networks": f"{summary.networks:,} distinct, {summary.scored:,} scored now{left}",
        "failed scores": kinds or "none",
        "time": duration(summary.seconds),
        "store": str(summary.store),
        "table": "not written (add --out FILE)" if out is None else str(out),
    }
    for name, text in lines.items():
        typer.echo(f"{name:<14} {text}")
        if name == "failed scores":
            for kind, example in sorted(summary.examples.items()):
                typer.echo(f"  {kind:<12} such as {example.splitlines()[0]}")
            if tried := [kind for kind in RETRIED if kind in summary.failures]:
                typer.echo(f"  (--retry tries {', '.join(tried)} again)")


def _score_model(
    reference: str,
    dataset: str,
    proxies: Sequence[str],
    protocol: str,
    batch_size: int | None,
    batch_seed: int,
    seed: int,
    as_json: bool,
) -> None:
    from zcproxy import scoring
    from zcproxy.candidates import initialized, load_models
    from zcproxy.runs import batch_of

    batch = batch_of(dataset, protocol, batch_size, batch_seed)
    network, *others = load_models(reference, seed).values()
    if others:
        raise InputError(f"{reference} gives {1 + len(others)} models; zcproxy rank compares them")
    initialized(network, protocol, seed)
    results = scoring.measure(network, batch.inputs, batch.targets, proxies, protocol, seed)
    if as_json:
        typer.echo(json.dumps({proxy: asdict(results[proxy]) for proxy in proxies}))
    else:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("proxy", no_wrap=True)
        table.add_column("score", justify="right", no_wrap=True)
        table.add_column("seconds", justify="right", no_wrap=True)
        table.add_column("failure")
        for proxy in proxies:
            result = results[proxy]
            value = "" if result.value is None else f"{result.value:.6g}"
            reason = "" if result.failure is None else f"{result.failure}: {result.message}"
            table.add_row(proxy, value, f"{result.seconds:.3f}", reason)
        Console(highlight=False).print(table)
    if any(results[proxy].failure for proxy in proxies):
        raise typer.Exit(1)
