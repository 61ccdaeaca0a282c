"""`zcproxy score`: scores of a space into a store, or of one model to the screen."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from zcproxy.errors import InputError, InterruptedRun, unknown

if TYPE_CHECKING:
    from zcproxy.configuration import Configuration
    from zcproxy.runs import Progress, Setup, Summary

__all__ = ["score"]

LINE_EVERY = 30.0
"""Seconds between lines of progress where standard error is no terminal."""


def score(
    space: Annotated[
        str | None, typer.Option(help="Search space to score (zcproxy list spaces).")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Score one model of your own instead: package.module:factory."),
    ] = None,
    dataset: Annotated[
        str, typer.Option(help="Data set of the batch (zcproxy data list), or a .npz file.")
    ] = "cifar10",
    proxies: Annotated[str, typer.Option(help="Proxies, separated by commas, or all.")] = "all",
    protocol: Annotated[str, typer.Option(help="What else fixes a score.")] = "clean",
    batch_size: Annotated[int, typer.Option(min=1, help="Images in the batch.")] = 64,
    batch_seed: Annotated[int, typer.Option(min=0, help="Which batch of the data set.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the initial weights.")] = 0,
    architectures: Annotated[
        Path | None, typer.Option(help="Text file of architectures, one per line.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Score this many architectures drawn at random.")
    ] = None,
    sample_seed: Annotated[int, typer.Option(help="Seed of the drawing.")] = 0,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes of one thread each.", show_default="one per core"),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="SQLite file of the run.", show_default="named after the settings"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the table of scores, .parquet or .csv.")
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try again what crashed or met an unexpected error.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Score architectures of a space, or one model, by zero-cost proxies.

    Equal networks are scored once. The run is kept in a store: the same command again goes on
    where it was stopped, and other proxies or architectures with the same settings add to it.
    Exit 0: every score has a value; 1: some are failures, such as those of networks without a
    path from input to output; 2: wrong use.
    """
    names = parse_proxies(proxies)
    if (space is None) == (model is None):
        raise InputError("give either --space NAME or --model package.module:factory")
    if model is not None:
        if any(option is not None for option in (architectures, sample, store, out, workers)):
            raise InputError(
                "--architectures, --sample, --workers, --store and --out belong to --space"
            )
        _score_model(model, dataset, names, protocol, batch_size, batch_seed, seed, as_json)
        return
    assert space is not None
    chosen = _architectures(space, architectures, sample, sample_seed)
    if out is not None:
        from zcproxy.store.frame import check_output

        check_output(out)
    from zcproxy.runs import prepare

    setup = prepare(
        space,
        dataset,
        batch_size=batch_size,
        batch_seed=batch_seed,
        seed=seed,
        protocol=protocol,
    )
    place = store or default_store(setup.configuration)
    summary = _run(setup, chosen, names, place, workers or cores(), retry)
    if out is not None:
        _export(place, chosen, names, out)
    _print_summary(summary, names, out, as_json)
    if summary.failures:
        raise typer.Exit(1)


def parse_proxies(text: str) -> list[str]:
    """The proxies of a comma-separated list, in its order, each once; `all` is all of them."""
    from zcproxy import proxies

    known = proxies.names()
    if text.strip() == "all":
        return list(known)
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    if not wanted:
        raise InputError("--proxies names none; give names separated by commas, or all")
    for name in wanted:
        if name not in known:
            raise unknown("proxy", name, known, "zcproxy list proxies shows all")
    return list(dict.fromkeys(wanted))


def default_store(configuration: Configuration) -> Path:
    """The file a run is kept in unless told otherwise: equal settings give equal names."""
    dataset = Path(configuration.dataset).stem
    name = f"{configuration.space}-{dataset}-{configuration.protocol}-{configuration.key[:8]}"
    return Path(f"zcproxy-{name}.sqlite")


def cores() -> int:
    """Processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _architectures(space: str, file: Path | None, size: int | None, seed: int) -> list[str]:
    from zcproxy import spaces
    from zcproxy.runs import selection

    known = spaces.get(space)
    if file is not None and size is not None:
        raise InputError("give either --architectures or --sample, not both")
    if file is not None:
        return selection.from_file(known, file)
    return known.architectures() if size is None else selection.sample(known, size, seed)


def _run(
    setup: Setup,
    architectures: Sequence[str],
    proxies: Sequence[str],
    store: Path,
    workers: int,
    retry: bool,
) -> Summary:
    """Run with progress on standard error; Ctrl-C says what is kept and exits 130."""
    from zcproxy.runs import run

    last: list[Progress] = []
    try:
        with _shown() as show:

            def progress(state: Progress) -> None:
                last[:] = [state]
                show(state)

            return run(
                setup,
                architectures,
                proxies,
                store,
                workers=workers,
                retry=retry,
                progress=progress,
            )
    except KeyboardInterrupt:
        kept = f"{last[0].done:,} of {last[0].total:,} networks are" if last else "all so far is"
        raise InterruptedRun(
            f"stopped: {kept} kept in {store}; the same command goes on from there"
        ) from None


@contextmanager
def _shown() -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal; elsewhere a line now and then."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (TextColumn("scoring"), BarColumn(), TextColumn("{task.fields[state]}"))
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, state="starting workers")

        def show(state: Progress) -> None:
            bar.update(task, completed=state.done, total=state.total, state=describe(state))

        yield show


class _Lines:
    """Prints the first and the last state, and one every `LINE_EVERY` seconds between them."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, state: Progress) -> None:
        now = time.monotonic()
        if now >= self._next or state.done == state.total:
            self._next = now + LINE_EVERY
            typer.echo(describe(state), err=True)


def describe(state: Progress) -> str:
    """A state of progress in words, such as `12/50 networks, 1.31 per second, 29 s left`."""
    parts = [f"{state.done:,}/{state.total:,} networks"]
    if state.rate:
        parts.append(f"{state.rate:.2f} per second")
    if state.remaining is not None:
        parts.append(f"{duration(state.remaining)} left")
    if state.failed:
        parts.append(f"{state.failed:,} scores failed")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds in words, such as `45 s`, `12 min` or `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _export(store: Path, architectures: Sequence[str], proxies: Sequence[str], out: Path) -> None:
    from zcproxy import spaces
    from zcproxy.store import Store, export, write_scores

    with Store.read(store) as opened:
        space = spaces.get(opened.configuration.space)
        write_scores(export(opened, space, architectures, proxies), out)


def _print_summary(
    summary: Summary, proxies: Sequence[str], out: Path | None, as_json: bool
) -> None:
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
    lines = {
        "architectures": f"{summary.architectures:,}",
        "networks": f"{summary.networks:,} distinct, {summary.scored:,} scored now",
        "failed scores": kinds or "none",
        "time": duration(summary.seconds),
        "store": str(summary.store),
        "table": "not written (add --out FILE)" if out is None else str(out),
    }
    for name, text in lines.items():
        typer.echo(f"{name:<14} {text}")


def _score_model(
    reference: str,
    dataset: str,
    proxies: Sequence[str],
    protocol: str,
    batch_size: int,
    batch_seed: int,
    seed: int,
    as_json: bool,
) -> None:
    from zcproxy import datasets, protocols, scoring
    from zcproxy.candidates import load_models

    protocols.get(protocol)
    batch = datasets.batch(dataset, batch_size, batch_seed)
    network, *others = load_models(reference, seed).values()
    if others:
        raise InputError(f"{reference} gives {1 + len(others)} models; zcproxy rank compares them")
    results = scoring.measure(network, batch.inputs, batch.targets, proxies, protocol, seed)
    if as_json:
        typer.echo(json.dumps({proxy: asdict(results[proxy]) for proxy in proxies}))
    else:
        table = Table("proxy", "score", "seconds", "failure")
        for proxy in proxies:
            result = results[proxy]
            value = "" if result.value is None else f"{result.value:.6g}"
            reason = "" if result.failure is None else f"{result.failure}: {result.message}"
            table.add_row(proxy, value, f"{result.seconds:.3f}", reason)
        Console().print(table)
    if any(results[proxy].failure for proxy in proxies):
        raise typer.Exit(1)
