"""`zcproxy reproduce`: published tables beside what our scores give."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from zcproxy.cli.machine import records
from zcproxy.errors import InputError, StoreError

if TYPE_CHECKING:
    import pandas as pd

    from zcproxy.reproduction import Cell, Missing

__all__ = ["reproduce"]

RELEASED = Path("nasbench201") / "reference_proxies_nbsz_release.csv.gz"
"""The scores that NAS-Bench-Suite-Zero released, below the folder of data files."""


def reproduce(
    table: Annotated[
        str,
        typer.Argument(
            help="abdelfattah2021 (three data sets, all architectures), nas_bench_suite_zero "
            "(9,445 architectures, two data sets, and its released scores one by one) or sota2025."
        ),
    ],
    scores: Annotated[
        list[Path],
        typer.Option(
            help="Tables or stores of scores made by zcproxy score. Repeatable.",
            show_default="the stores zcproxy-*.sqlite in this folder",
        ),
    ] = [],
    run: Annotated[
        bool, typer.Option("--run", help="Score what is missing first; resumes where it stopped.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes of one thread each, for --run.", show_default="one per core"
        ),
    ] = None,
    accuracies: Annotated[
        str, typer.Option(help="Table of accuracies, by name or file.")
    ] = "nasbench201",
    resamples: Annotated[
        int, typer.Option(min=0, help="Bootstrap resamples for the intervals, 0 for none.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the comparison, .md or .csv.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Put published numbers beside ours: difference, interval, and a verdict for every cell.

    A cell is reproduced, differs, is not comparable (and why), or not scored yet; for what is not
    scored, or not in full, the command that does it is printed. Another batch size than theirs
    stands in the verdict. Scores of different protocols are never put together: every number comes
    from one run, under a protocol that the data file of the published numbers names. Known reasons
    of differences are told, and what is a guess. Exit 0: every number that can be is compared; 1:
    some are not scored in full; 2: wrong use.

    Examples:

    `zcproxy reproduce abdelfattah2021 --scores scores.parquet`

    `zcproxy reproduce nas_bench_suite_zero --scores a.parquet --scores b.sqlite --out table.md`

    `zcproxy reproduce sota2025 --run --workers 2`
    """
    from zcproxy import tables
    from zcproxy.cli.progress import bar
    from zcproxy.reproduction import cells, joined, missing, published

    wanted = published(table)
    if out is not None:
        writable(out)
    known = tables.load(accuracies)
    given = read(scores)
    material = joined(given)
    places = stand_ins()
    lacking = missing(wanted, material, places)
    if run and lacking:
        made = [score_missing(need, workers, given) for need in lacking]
        material = joined([*read(scores), *made])
        lacking = missing(wanted, material, places)
    with bar("comparing") as progress:
        found = cells(
            wanted,
            material,
            known,
            released(),
            resamples=resamples,
            seed=seed,
            progress=progress,
        )
    if out is not None:
        write(out, table, found, lacking)
    if as_json:
        typer.echo(json.dumps(as_data(table, found, lacking)))
    else:
        show(found, lacking)
    if lacking:
        raise typer.Exit(1)


def writable(out: Path) -> None:
    """Find out before anything is computed."""
    if out.suffix not in (".md", ".csv"):
        raise InputError(f"{out.name} ends in neither .md nor .csv, the two ways to write it")
    if not out.absolute().parent.is_dir():
        raise InputError(f"there is no folder {out.parent} to write {out.name} into; create it")
    if out.is_dir():
        raise InputError(f"{out} is a folder; name a file in it")


def read(paths: Sequence[Path]) -> list[tuple[str, pd.DataFrame]]:
    """The tables of scores that are given, or all stores in this folder that hold such scores."""
    from zcproxy.cli.typed import shown
    from zcproxy.reproduction.material import SPACE
    from zcproxy.store import read_scores

    if paths:
        return [(shown(path), read_scores(path)) for path in paths]
    found = []
    for path in sorted(Path().glob("zcproxy-*.sqlite")):
        try:
            frame = read_scores(path)
        except StoreError as error:
            typer.echo(f"left out: {error}", err=True)
            continue
        if frame.attrs.get("space") == SPACE:
            found.append((path.name, frame))
    return found


def stand_ins() -> dict[str, str]:
    """For a data set whose images are not here, the one to score in its place."""
    from zcproxy.datasets import places, standin

    if any(places.found("imagenet16-120")):
        return {}
    return {"imagenet16-120": standin.NAME}


def score_missing(
    need: Missing, workers: int | None, given: Sequence[tuple[str, pd.DataFrame]]
) -> tuple[str, pd.DataFrame]:
    """Score what lacks in the store that `zcproxy score` would use, and read it.

    What the given tables of the same configuration have is taken into the store first.
    """
    from zcproxy import spaces
    from zcproxy.cli.running import cores, default_store, run_kept
    from zcproxy.reproduction.material import SPACE
    from zcproxy.runs import prepare
    from zcproxy.store import Store, read_scores
    from zcproxy.store.adopting import adopt

    typer.echo(f"scoring: {need.command}", err=True)
    setup = prepare(SPACE, need.dataset, batch_size=need.batch_size, protocol=need.protocol)
    store = default_store(setup.configuration)
    everything = spaces.get(SPACE).architectures()
    for name, frame in given:
        if frame.attrs.get("key") == setup.configuration.key and name != store.name:
            with Store.open(store, setup.configuration) as opened:
                adopt(opened, spaces.get(SPACE), frame, name)
    run_kept(setup, everything, need.proxies, store, workers or cores())
    return store.name, read_scores(store)


def released() -> pd.DataFrame | None:
    """The released scores of NAS-Bench-Suite-Zero, None where they are not here."""
    import pandas as pd

    from zcproxy import folders

    for root in folders.roots():
        if (root / RELEASED).is_file():
            return pd.read_csv(root / RELEASED)
    return None


def write(path: Path, table: str, found: Sequence[Cell], lacking: Sequence[Missing]) -> None:
    """The comparison as a file: Markdown for people, CSV with all digits."""
    from zcproxy.cli.typed import command_line
    from zcproxy.reproduction import text

    try:
        if path.suffix == ".csv":
            text.framed(found).to_csv(path, index=False, lineterminator="\n")
            return
        lines = text.markdown(table, command_line(), found, lacking)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error


def as_data(table: str, found: Sequence[Cell], lacking: Sequence[Missing]) -> dict[str, object]:
    """The comparison as plain data."""
    from zcproxy.reproduction import RULE, text

    return {
        "table": table,
        "rule": RULE,
        "cells": records(text.framed(found)),
        "missing": [need.command for need in lacking],
    }


def show(found: Sequence[Cell], lacking: Sequence[Missing]) -> None:
    """The comparison on the screen."""
    from zcproxy.reproduction import text

    screen = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in text.columns(found):
        right = name in text.NUMBERS
        screen.add_column(name, justify="right" if right else "left", no_wrap=True)
    for texts in text.lines(found):
        screen.add_row(*texts)
    console = Console(highlight=False, markup=False)
    unlimited = console.options.update(width=10_000)
    needed = console.measure(screen, options=unlimited).maximum  # so that no number is cut
    console.width = max(console.width, needed)
    console.print(screen)
    for note in text.notes(found, lacking):
        console.print(note, style="dim", markup=False, soft_wrap=True)
