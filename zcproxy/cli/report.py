"""`zcproxy report`: a folder with tables and pictures of agreement."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from zcproxy.cli.correlate import (
    Accuracy,
    Failures,
    K,
    Proxies,
    Resamples,
    Scores,
    Seed,
    Subset,
    TableName,
    Top,
)

__all__ = ["report"]


def report(
    scores: Scores,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write; it is created.", show_default="SCORES-report, in this folder"
        ),
    ] = None,
    table: TableName = None,
    accuracy: Accuracy = None,
    proxies: Proxies = "all",
    subset: Subset = "all",
    failures: Failures = "omit",
    top: Top = 0.1,
    k: K = [10, 100],
    resamples: Resamples = 1000,
    seed: Seed = 0,
) -> None:
    """Write a folder with the agreement of scores and accuracy: README.md, CSV, PNG and SVG.

    The tables are those of `zcproxy correlate`, which need the same table of accuracies; the
    pictures show score against accuracy for every proxy, the proxies' correlations with each other,
    and all coefficients with their intervals.

    Examples:

    `zcproxy report scores.parquet` (writes the folder scores-report)

    `zcproxy report scores.parquet --out reports/mine`

    `zcproxy report scores.parquet --out reports/live --subset live --accuracy cifar100_test_200`
    """
    from zcproxy import reports
    from zcproxy.cli.evaluation import evaluate, usable_sizes
    from zcproxy.cli.progress import bar

    found = evaluate(scores, table, accuracy, proxies, subset)
    ks, left_out = usable_sizes(k, found.compared)
    folder = out or Path(f"{scores.stem}-report")
    source = reports.Source(
        table=found.table,
        subset=found.subset,
        command=shlex.join(["zcproxy", *sys.argv[1:]]),
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
