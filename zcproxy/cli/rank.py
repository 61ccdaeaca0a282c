"""`zcproxy rank`: the best candidates by a proxy or a combination of proxies."""

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
from zcproxy.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from zcproxy.analysis import Combination
    from zcproxy.datasets import Batch
    from zcproxy.runs import Setup

    Run = dict[str, object]

__all__ = ["rank"]

FAILURES_SHOWN = 10
WRITER = "zcproxy rank --out"


def rank(
    scores: Annotated[
        Path | None, typer.Argument(help="Scores: a .parquet or .csv file, or the store of a run.")
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="A proxy, or proxies joined by + with :log-rank, :mean-rank, :vote; or a "
            "combination with a name: blind, az_nas, vkdnw_agg, vote."
        ),
    ] = "nwot+live_params:log-rank",
    top: Annotated[int, typer.Option(min=0, help="How many to list; 0 for all.")] = 20,
    space: Annotated[
        str, typer.Option(help="Space of --architectures (zcproxy list spaces).")
    ] = "nasbench201",
    architectures: Annotated[
        Path | None, typer.Option(help="Score these: a text file of architectures, one per line.")
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            help="Score these: package.module:factory, a function without arguments that returns "
            "a dict of name to torch.nn.Module, or pairs (name, module)."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes of one thread each, for --architectures.",
            show_default="one per core",
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            help="SQLite file that keeps the scores of --architectures.",
            show_default="named after the settings, as by zcproxy score",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Data set of the batch (zcproxy data list), or a .npz file.",
            show_default="that of the space; cifar10 for models",
        ),
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="What else fixes a score (zcproxy list protocols).")
    ] = "clean",
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Images in the batch.", show_default="the protocol's, mostly 64"),
    ] = None,
    batch_seed: Annotated[int, typer.Option(min=0, help="Which batch of the data set.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the initial weights.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Also write the scores of --architectures or --models (.parquet or .csv), as "
            "zcproxy score does; zcproxy report --html shows them. A file with other proxies or "
            "candidates is not replaced."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV for machines.")] = False,
) -> None:
    """List the best candidates: of a file of scores, of a file of architectures, or your models.

    Equal scores share a rank; candidates without a score come last, with the reason. A combination
    sees no accuracy: log-rank sums log(rank / n) over its proxies, mean-rank averages ranks, vote
    counts pairwise majorities. Scores of --architectures are kept in a store, as those of `zcproxy
    score` are: the same command again goes on where it was stopped. Exit 1: some candidates that
    were to be scored have no score.

    Examples:

    `zcproxy rank scores.parquet --by synflow`

    `zcproxy rank --architectures cells.txt --dataset cifar10 --by nwot+live_params:log-rank`

    `zcproxy rank --models mypackage.zoo:candidates --dataset mine.npz --by snip+nwot:mean-rank`

    `zcproxy rank --models mypackage.zoo:candidates --by snip --out scores.parquet`
    """
    from zcproxy.analysis import Combination, combination_notes, ranking
    from zcproxy.cli.evaluation import origin
    from zcproxy.cli.running import cores, default_store
    from zcproxy.store.frame import check_output

    if as_json and as_csv:
        raise InputError("give either --json or --csv")
    if sum(source is not None for source in (scores, architectures, models)) != 1:
        raise InputError("give one of: a file of scores, --architectures FILE, --models REFERENCE")
    if architectures is None and (store is not None or workers is not None):
        raise InputError("--store and --workers belong to --architectures")
    if scores is not None and out is not None:
        raise InputError("--out belongs to --architectures and --models; these scores are a file")
    if out is not None:
        check_output(out)
    combination = Combination.parse(by)
    batch = (batch_size, batch_seed)
    remarks: list[str] = []
    if scores is not None:
        frame, what = read(scores, combination)
        remarks = origin(frame)
    elif architectures is not None:
        chosen = listed_in(space, architectures)
        check_proxies(combination)
        setup = prepared(space, dataset, protocol, batch, seed)
        place = store or default_store(setup.configuration)
        frame = score_architectures(setup, chosen, combination, place, workers or cores(), out)
        what = f"{architectures.name}, {space}, protocol {protocol}"
        remarks = [f"the scores are kept in {place}"]
    else:
        frame = score_own(str(models), combination, dataset, protocol, batch, seed, out)
        what = f"{models}, protocol {protocol}"
    remarks += combination_notes(frame, [str(combination)])
    result = ranking(frame, combination)
    show(result, combination, what, top, as_json, as_csv, remarks)
    if scores is None and result["score"].isna().any():
        raise typer.Exit(1)


def read(path: Path, combination: Combination) -> tuple[pd.DataFrame, str]:
    """A file of scores with the counts that the combination needs, and what it is."""
    from zcproxy.analysis import NAMED, select_columns
    from zcproxy.cli.evaluation import require_scored, with_counts
    from zcproxy.store import read_scores

    frame = read_scores(path)
    run = frame.attrs
    frame = with_counts(frame, combination.members, run.get("space"), run.get("dataset"))
    require_scored(frame, combination.members)
    select_columns(frame, combination.members, NAMED)
    origin = run.get("space") or run.get("models") or "space not stated"
    stated = f", {origin}, protocol {run.get('protocol')}" if run else ""
    return frame, f"{path.name}{stated}"


def listed_in(space: str, path: Path) -> list[str]:
    """The architectures of a text file."""
    from zcproxy import spaces
    from zcproxy.runs.selection import from_file

    return from_file(spaces.get(space), path)


def prepared(
    space: str, dataset: str | None, protocol: str, batch: tuple[int | None, int], seed: int
) -> Setup:
    """The settings of a run; without a data set, on that of the space."""
    from zcproxy import spaces
    from zcproxy.runs import prepare

    return prepare(
        space,
        dataset or spaces.get(space).dataset,
        batch_size=batch[0],
        batch_seed=batch[1],
        seed=seed,
        protocol=protocol,
    )


def score_architectures(
    setup: Setup,
    chosen: list[str],
    combination: Combination,
    store: Path,
    workers: int,
    out: Path | None,
) -> pd.DataFrame:
    """Scores of architectures by way of a store, with the message of every failure."""
    from zcproxy import spaces
    from zcproxy.cli.running import run_kept, scores_of, write_kept
    from zcproxy.configuration import Configuration
    from zcproxy.kinds import FAILURE
    from zcproxy.store import Store
    from zcproxy.store.frame import check_replaced

    wanted = list(combination.members)
    if out is not None:
        run, left_out = setup.configuration.to_dict(), Configuration.defaults()
        check_replaced(out, run, left_out, WRITER, (chosen, wanted))
    run_kept(setup, chosen, wanted, store, workers)
    if out is not None:
        write_kept(store, chosen, wanted, out)
    frame = scores_of(store, chosen, wanted)
    with Store.read(store) as opened:
        failed = [row for row in opened.rows() if row.failure is not None]
    told = {(row.network, row.proxy): f"{row.failure}: {row.message}" for row in failed}
    key = spaces.get(setup.configuration.space).key
    for name in wanted:
        frame[f"{name}{FAILURE}"] = [told.get((key(a), name)) for a in chosen]
    return frame


def score_own(
    reference: str,
    combination: Combination,
    dataset: str | None,
    protocol: str,
    batch: tuple[int | None, int],
    seed: int,
    out: Path | None,
) -> pd.DataFrame:
    """Scores of the models that a factory gives."""
    from zcproxy.candidates import initialized, load_models, score_models
    from zcproxy.cli.progress import bar
    from zcproxy.runs import batch_of
    from zcproxy.store.frame import check_replaced

    check_proxies(combination)
    images = batch_of(dataset or "cifar10", protocol, *batch)
    run = run_of(reference, images, protocol, batch[1], seed)
    models = load_models(reference, seed)
    if out is not None:
        keep = (list(models), list(combination.members))
        check_replaced(out, run, {"protocol_revision": 1}, WRITER, keep)
    for model in models.values():
        initialized(model, protocol, seed)
    with bar("scoring") as progress:
        frame = score_models(models, images, list(combination.members), protocol, seed, progress)
    if out is not None:
        write_own(frame, run, list(combination.members), out)
    return frame


def run_of(reference: str, images: Batch, protocol: str, batch_seed: int, seed: int) -> Run:
    """What fixes the scores of models, as a file of scores tells it."""
    from zcproxy import protocols

    told: Run = {
        "models": reference,
        "dataset": images.name,
        "batch_sha256": images.sha256,
        "shape": list(images.inputs.shape[1:]),
        "classes": images.classes,
        "batch_size": len(images.inputs),
        "batch_seed": batch_seed,
        "seed": seed,
        "protocol": protocol,
    }
    revision = protocols.get(protocol).revision
    return told | ({"protocol_revision": revision} if revision > 1 else {})


def write_own(frame: pd.DataFrame, run: Run, names: list[str], out: Path) -> None:
    """Write scores of models as `zcproxy score` writes scores: failures by their kind alone."""
    from zcproxy.kinds import FAILURE
    from zcproxy.runs.items import versions
    from zcproxy.store import write_scores

    told = frame.copy()
    for name in (f"{proxy}{FAILURE}" for proxy in names):
        if name not in told.columns:
            continue
        texts = told[name].tolist()
        told[name] = [text.partition(":")[0] if isinstance(text, str) else None for text in texts]
    told.attrs = {str(name): value for name, value in run.items()}
    told.attrs |= {"proxies": names, "versions": versions()}
    write_scores(told, out)


def check_proxies(combination: Combination) -> None:
    """Raise InputError for a name that is no proxy."""
    from zcproxy import proxies
    from zcproxy.analysis import NAMED
    from zcproxy.errors import unknown

    for name in combination.members:
        if name not in proxies.names():
            names = [*proxies.names(), *NAMED]
            raise unknown("proxy or combination", name, names, "zcproxy list shows all")


def show(
    result: pd.DataFrame,
    combination: Combination,
    what: str,
    top: int,
    as_json: bool,
    as_csv: bool,
    remarks: Sequence[str] = (),
) -> None:
    """Print the first `top` candidates, then those without a score."""
    scored, failed = result[result["score"].notna()], result[result["score"].isna()]
    listed = scored.head(top) if top else scored
    if as_json or as_csv:
        import pandas as pd

        rows = pd.concat([listed, failed]) if len(failed) else listed
        if as_csv:
            typer.echo(rows.to_csv(index=False), nl=False)
            return
        facts = {"by": str(combination), "of": len(result), "notes": list(remarks)}
        facts["candidates"] = records(rows)
        typer.echo(json.dumps(facts))
        return
    console = Console(highlight=False)
    console.width = max(console.width, 100)
    if len(listed):
        table = screen(listed, scored["rank"].duplicated(keep=False)[: len(listed)], combination)
        unlimited = console.options.update(width=10_000)
        needed = console.measure(table, options=unlimited).maximum  # so that candidates stay whole
        console.width = max(console.width, needed)
        console.print(table)
    for line in [*notes(listed, scored, failed, combination, what), *remarks]:
        console.print(line, style="dim", markup=False, soft_wrap=True)


def screen(listed: pd.DataFrame, shared: pd.Series[bool], combination: Combination) -> Table:
    """The candidates as a table; a shared rank is marked with =."""
    from zcproxy.numerals import NONE, missing

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("rank", justify="right")
    parts = list(combination.proxies) if combination.rule else []
    for name in ("score" if combination.rule else combination.proxies[0], *parts):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("candidate", no_wrap=True)
    for (_, row), tied in zip(listed.iterrows(), shared, strict=True):
        numbers = (NONE if missing(row[name]) else f"{row[name]:.5g}" for name in ("score", *parts))
        table.add_row(f"{row['rank']}{'=' if tied else ' '}", *numbers, row["architecture"])
    return table


def notes(
    listed: pd.DataFrame,
    scored: pd.DataFrame,
    failed: pd.DataFrame,
    combination: Combination,
    what: str,
) -> list[str]:
    """What was ranked, ties cut off, and the candidates without a score."""
    lines = [f"{len(listed):,} of {len(scored):,} candidates by {combination} ({what})"]
    if scored.empty:
        lines = [f"no candidate has a score by {combination} ({what})"]
    if len(listed) and len(listed) < len(scored):
        cut = int((scored["rank"].iloc[len(listed) :] == listed["rank"].iloc[-1]).sum())
        if cut:
            lines.append(f"{cut:,} more share rank {listed['rank'].iloc[-1]} (--top 0 lists all)")
    if len(failed):
        lines.append(f"{len(failed):,} without a score:")
        for _, row in failed.head(FAILURES_SHOWN).iterrows():
            lines.append(f"  {row['architecture']}  {row['reason']}")
        if len(failed) > FAILURES_SHOWN:
            lines.append(f"  and {len(failed) - FAILURES_SHOWN:,} more (--csv lists all)")
    return lines
