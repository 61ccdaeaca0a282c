"""`zcproxy report`: a folder with tables and pictures of agreement, or one page to explore."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zcproxy.cli.correlate import (
    Accuracy,
    Failures,
    K,
    Proxies,
    Resamples,
    Seed,
    Subset,
    TableName,
    Top,
)
from zcproxy.errors import InputError

if TYPE_CHECKING:
    from zcproxy.page.content import Settings

__all__ = ["report"]


def report(
    scores: Annotated[
        list[Path],
        typer.Argument(
            help="Scores: a .parquet or .csv file, or the store of a run; several with --html."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write, which is created; with --html, the file.",
            show_default="SCORES-report, in this folder; SCORES.html",
        ),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="Write one HTML file to explore, for any browser.")
    ] = False,
    table: TableName = None,
    accuracy: Accuracy = None,
    proxies: Proxies = "all",
    subset: Subset = "all",
    failures: Failures = "omit",
    top: Top = 0.1,
    k: K = [10, 100],
    resamples: Resamples = 1000,
    seed: Seed = 0,
    every_interval: Annotated[
        bool,
        typer.Option(
            "--every-interval",
            help="With --html: intervals for all accuracies, not for the chosen one alone; slow.",
        ),
    ] = False,
) -> None:
    """Write a folder with the agreement of scores and accuracy, or one page to explore both.

    The folder has README.md, CSV, PNG and SVG. Its tables are those of `zcproxy correlate`, which
    need the same table of accuracies; the pictures show score against accuracy for every proxy,
    the proxies' correlations with each other, and all coefficients with their intervals.

    The page (`--html`) is one file that needs no network: the same tables for all accuracies, a
    scatter plot of any proxy against any accuracy, drawn cells, and filters by operation. It takes
    several files of scores, and those of your own candidates (accuracies, if there are any, from a
    CSV file: `--table FILE.csv`).

    Examples:

    `zcproxy report scores.parquet` (writes the folder scores-report)

    `zcproxy report scores.parquet --out reports/live --subset live --accuracy cifar100_test_200`

    `zcproxy report cifar10.parquet cifar100.parquet --html --out page.html`
    """
    if html:
        from zcproxy.page.content import Settings

        settings = Settings(failures, resamples, seed, top, tuple(k), every_interval)
        write_page(scores, out, table, accuracy, proxies, subset, settings)
        return
    if len(scores) > 1:
        raise InputError("a folder reports one file of scores; give --html for a page of several")
    if every_interval:
        raise InputError("--every-interval belongs to --html")
    write_folder(
        scores[0], out, table, accuracy, proxies, subset, failures, top, k, resamples, seed
    )


def write_page(
    scores: list[Path],
    out: Path | None,
    table: str | None,
    accuracy: str | None,
    proxies: str,
    subset: str,
    settings: Settings,
) -> None:
    """One HTML file of all scores."""
    from zcproxy import page
    from zcproxy.analysis import policy
    from zcproxy.cli.exploring import part
    from zcproxy.cli.progress import bar
    from zcproxy.cli.typed import command_line

    policy(settings.failures)
    place = out or Path(f"{scores[0].stem}.html")
    if place.suffix not in (".html", ".htm"):
        raise InputError(f"{place} does not end in .html; --html writes one such file")
    names = different_names(scores)
    parts = [
        replace(part(path, table, accuracy, proxies, subset), name=name)
        for path, name in zip(scores, names, strict=True)
    ]
    with bar("comparing") as progress:
        page.write_page(place, parts, settings, command_line(), progress)
    for made in parts:
        if lacking := made.source.without_accuracy:
            said = f"{lacking:,} of {len(made.scores):,} architectures have no accuracy"
            typer.echo(f"{made.name}: {said}; the notes of the page have more", err=True)
    typer.echo(f"{place}")


def write_folder(
    scores: Path,
    out: Path | None,
    table: str | None,
    accuracy: str | None,
    proxies: str,
    subset: str,
    failures: str,
    top: float,
    k: list[int],
    resamples: int,
    seed: int,
) -> None:
    """The folder of one file of scores."""
    from zcproxy import reports
    from zcproxy.analysis.selection import usable_sizes
    from zcproxy.cli.evaluation import evaluate
    from zcproxy.cli.progress import bar
    from zcproxy.cli.typed import command_line, shown

    found = evaluate(scores, table, accuracy, proxies, subset)
    ks, left_out = usable_sizes(k, found.compared)
    folder = out or Path(f"{scores.stem}-report")
    source = reports.Source(
        table=shown(found.table),
        subset=found.subset,
        command=command_line(),
        run=found.run,
        accuracy={str(name): value for name, value in found.accuracies.attrs.items()},
        without_accuracy=found.without_accuracy,
        notes=[*found.notes, *left_out],
    )
    with bar("reporting") as progress:
        reports.write_report(
            folder,
            found.scores,
            found.accuracies,
            found.proxies,
            source,
            baseline=found.baseline,
            failures=failures,
            resamples=resamples,
            seed=seed,
            top=top,
            ks=ks,
            progress=progress,
        )
    typer.echo(f"{folder / 'README.md'}")


def different_names(paths: list[Path]) -> list[str]:
    """What a page calls the files: their names, with as many folders as tell them apart.

    The ending is left out unless it alone tells some apart.

    Raises InputError where a file is named twice.
    """
    places = [path.resolve() for path in paths]
    if len(set(places)) < len(places):
        raise InputError("a file of scores is named twice; give every file once")
    bare = [place.with_suffix("") for place in places]
    told = bare if len(set(bare)) == len(bare) else places
    names = [place.name for place in told]
    parts = 1
    while len(set(names)) < len(names):
        parts += 1
        names = ["/".join(place.parts[1:][-parts:]) for place in told]
    return names
