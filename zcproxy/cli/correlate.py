"""`zcproxy correlate`: how well every proxy predicts trained accuracy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from zcproxy.cli.machine import records
from zcproxy.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from zcproxy.cli.evaluation import Evaluation

__all__ = ["correlate"]

Scores = Annotated[
    Path, typer.Argument(help="Scores: a .parquet or .csv file, or the store of a run.")
]
TableName = Annotated[
    str | None,
    typer.Option(help="Table of accuracies, by name or file.", show_default="the scores' space"),
]
Accuracy = Annotated[
    str | None,
    typer.Option(
        help="Accuracy column, DATASET_SPLIT_EPOCHS (zcproxy data list).",
        show_default="test accuracy of the scores' data set after the most epochs",
    ),
]
Proxies = Annotated[
    str,
    typer.Option(
        help="Proxies, separated by commas; all: those of the file. Combinations too (all,blind): "
        "blind, az_nas, vkdnw_agg, vote, or proxies joined by + with :log-rank, :mean-rank, :vote."
    ),
]
Subset = Annotated[
    str, typer.Option(help="all, live (no dead edge) or connected (a path from input to output).")
]
Failures = Annotated[
    str,
    typer.Option(
        help="omit: each proxy on its own architectures; last: failures tie below all, but "
        "what is not known (not scored, crashed, error, memory) is left out; common: only "
        "architectures where all proxies have a value."
    ),
]
Top = Annotated[float, typer.Option(help="Share of the best for the correlation at the top.")]
K = Annotated[list[int], typer.Option("--k", min=1, help="Size of a selection. Repeatable.")]
Resamples = Annotated[
    int, typer.Option(min=0, help="Bootstrap resamples for the intervals; 0 for none.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")]


def correlate(
    scores: Scores,
    table: TableName = None,
    accuracy: Accuracy = None,
    proxies: Proxies = "all",
    subset: Subset = "all",
    failures: Failures = "omit",
    top: Top = 0.1,
    k: K = [10, 100],
    resamples: Resamples = 1000,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV for machines.")] = False,
) -> None:
    """Print how well the scores predict trained accuracy, one row per proxy.

    Spearman's rho and Kendall's tau-b are signed and carry 95 % bootstrap intervals. `partial` is
    Spearman's correlation given the number of live parameters, the baseline that every proxy
    should beat. `top 10 %` is Spearman's correlation among the best by accuracy of all
    architectures, n of which have a score; `overlap` the share of the k best that a proxy's k best
    contain; `regret` the accuracy (in points) lost by training only a proxy's k best.

    The accuracies come from a table: `zcproxy data list` shows which are here, `zcproxy data
    fetch nasbench201` gets those of NAS-Bench-201.

    Examples:

    `zcproxy correlate scores.parquet`

    `zcproxy correlate run.sqlite --accuracy cifar100_test_200 --subset live --failures common`

    `zcproxy correlate scores.csv --proxies snip,synflow --k 10 --k 50 --csv`

    `zcproxy correlate scores.parquet --proxies az_nas,nwot+live_params:log-rank`
    """
    from zcproxy.analysis import agreement_table
    from zcproxy.analysis.selection import usable_sizes
    from zcproxy.cli.evaluation import evaluate
    from zcproxy.cli.progress import bar

    if as_json and as_csv:
        raise InputError("give either --json or --csv")
    found = evaluate(scores, table, accuracy, proxies, subset)
    ks, left_out = usable_sizes(k, found.compared)
    found.notes.extend(left_out)
    with bar("correlating") as progress:
        result = agreement_table(
            found.scores,
            found.accuracies,
            found.proxies,
            baseline=found.baseline,
            failures=failures,
            resamples=resamples,
            seed=seed,
            top=top,
            ks=ks,
            progress=progress,
        )
    if as_csv:
        typer.echo(result.to_csv(index=False), nl=False)
    elif as_json:
        typer.echo(json.dumps(as_data(found, result)))
    else:
        show(found, result)


def as_data(found: Evaluation, result: pd.DataFrame) -> dict[str, Any]:
    """The table as plain data with everything needed to read it."""
    return {
        "table": found.table,
        "subset": found.subset,
        "without_accuracy": found.without_accuracy,
        "notes": found.notes,
        "run": found.run,
        **{str(name): value for name, value in result.attrs.items()},
        "proxies": records(result),
    }


def show(found: Evaluation, result: pd.DataFrame) -> None:
    """Two tables, agreement and selection, best Spearman first, and what they were made from."""
    from zcproxy.report_text import best_first

    ordered = best_first(result)
    console = Console(highlight=False)
    console.width = max(console.width, 100)  # a cut number would be worse than a wrapped line
    console.print(agreement_columns(ordered, result.attrs["baseline"]))
    console.print(selection_columns(ordered, result.attrs))
    for line in caption(found, result):
        console.print(line, style="dim", markup=False)


def agreement_columns(rows: pd.DataFrame, baseline: str | None) -> Table:
    """Correlations, intervals and counts."""
    from zcproxy.numerals import compact, count, decimal, estimate

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("proxy", overflow="fold")  # a combination's name may be long
    for name in ("Spearman [95 %]", "Kendall tau-b [95 %]", "partial", "n", "ties", "failures"):
        table.add_column(name, justify="right", no_wrap=True)
    for _, row in rows.iterrows():
        table.add_row(
            row["proxy"],
            *(
                compact(estimate(row[name], row[f"{name}_low"], row[f"{name}_high"]))
                for name in ("spearman", "kendall")
            ),
            "baseline" if row["proxy"] == baseline else compact(decimal(row.get("partial"))),
            *(count(row[name]) for name in ("n", "ties", "failures")),
            style="bold" if row["proxy"] == baseline else None,
        )
    return table


def selection_columns(rows: pd.DataFrame, settings: dict[Any, Any]) -> Table:
    """Correlation at the top, and overlap and regret for every k."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("proxy", overflow="fold")  # a combination's name may be long
    share = f"{100 * settings['top']:g}"
    names = {f"top{share}": f"top {share} %", f"top{share}_n": "n"}
    for k in settings["ks"]:
        names |= {f"overlap@{k}": f"overlap@{k}", f"regret@{k}": f"regret@{k}"}
    for title in names.values():
        table.add_column(title, justify="right", no_wrap=True)
    for _, row in rows.iterrows():
        table.add_row(
            row["proxy"],
            *(selection_number(row[name], name) for name in names),
            style="bold" if row["proxy"] == settings["baseline"] else None,
        )
    return table


def selection_number(value: object, name: str) -> str:
    """Regret in points with two decimals, shares and correlations with three."""
    from zcproxy.numerals import compact, count, decimal

    if name.endswith("_n"):
        return count(value)
    return decimal(value, 2) if name.startswith("regret") else compact(decimal(value))


def caption(found: Evaluation, result: pd.DataFrame) -> list[str]:
    """What the table was made from, and why numbers are missing."""
    from zcproxy.analysis.table import missing_in_words

    settings = result.attrs
    lines = [
        f"{settings['architectures']:,} architectures (subset {found.subset}) of {found.table}, "
        f"accuracy {settings['accuracy']} (%), failures {settings['failures']}",
        found.protocol,
    ]
    if found.without_accuracy:
        lines.append(f"left out: {found.without_accuracy:,} scored architectures without accuracy")
    if found.baseline is None:
        lines.append("no baseline: live parameters are unknown, for the scores name no space")
    return lines + found.notes + missing_in_words(result)
