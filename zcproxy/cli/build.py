"""`zcproxy data build`: train the benchmark that comes with the package, or check it."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zcproxy.cli.trainings import trainings
from zcproxy.errors import DataError, InterruptedRun, MeasureError, unknown

if TYPE_CHECKING:
    import pandas as pd

    from zcproxy.embedded import Progress, Training
    from zcproxy.training import Recipe

__all__ = ["build_data", "table_of"]

NETWORKS, SEEDS = 500, 2
"""Size of the table that comes with the package."""

CHECKED = 5

FEWEST = 10
"""Networks below which the agreement of seeds says nothing."""


def build_data(
    name: Annotated[str, typer.Argument(help="Table to build: digits201.")] = "digits201",
    networks: Annotated[
        int, typer.Option(min=2, help="How many networks, of a fixed random order.")
    ] = NETWORKS,
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each network.")] = SEEDS,
    workers: Annotated[int, typer.Option(min=1, help="Processes of one thread each.")] = 2,
    store: Annotated[
        Path, typer.Option(help="File that keeps finished trainings; it is continued.")
    ] = Path("zcproxy-digits201.jsonl"),
    out: Annotated[Path, typer.Option(help="Table to write.")] = Path("digits201.parquet"),
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Instead train a few networks of the table again, and compare."
        ),
    ] = False,
) -> None:
    """Train networks of digits201 on handwritten digits and write their test accuracies.

    The table that comes with the package was made by this command; --out FILE.parquet says where
    a new one goes. What is trained stays in --store, so the same command goes on where it was
    stopped, and more networks or seeds add to it. With --check nothing is written: a few random
    rows of the table in use are trained again and compared (exit 1 if they differ).

    Examples:

    `zcproxy data build --check`

    `zcproxy data build --networks 500 --out digits201.parquet`
    """
    from zcproxy.embedded import SPACE

    if name != SPACE:
        raise unknown("table that can be built", name, [SPACE])
    if check:
        _check(workers)
        return
    from zcproxy.embedded import RECIPE
    from zcproxy.tables import write

    trainings = _build(networks, seeds, workers, store, RECIPE)
    frame = table_of(trainings, RECIPE)
    write(frame, out)
    _tell(frame, out, trainings)


def table_of(trainings: Sequence[Training], recipe: Recipe) -> pd.DataFrame:
    """The table of some trainings: one row per network, the mean over seeds and every seed."""
    from zcproxy.embedded import SPACE, description
    from zcproxy.tables import Column
    from zcproxy.tables.frame import from_trials

    source = "trained by zcproxy data build"
    frame = from_trials(
        (
            (
                one.architecture,
                Column("digits", "test", recipe.epochs, one.seed, source=source),
                one.accuracy,
            )
            for one in trainings
        ),
        SPACE,
    )
    frame.attrs["training"] = description(recipe)
    return frame


def seed_columns(frame: pd.DataFrame) -> list[str]:
    """The columns that hold the accuracies of one seed, in the order of the seeds."""
    described = frame.attrs["columns"]
    return [name for name, meaning in described.items() if meaning["seed"] is not None]


def ceiling_line(frame: pd.DataFrame) -> str:
    """The noise ceiling of a table in one sentence, or why there is none."""
    from zcproxy.analysis.noise import noise_ceiling

    if len(frame) < FEWEST:
        return f"no noise ceiling: {len(frame)} networks are too few to tell, {FEWEST} the least"
    try:
        noise = noise_ceiling(frame[seed_columns(frame)])
    except MeasureError as error:
        return f"no noise ceiling: {error}"
    return (
        f"noise ceiling {noise.ceiling:.3f}: two seeds agree with Spearman "
        f"{noise.between_seeds:.3f}, so the mean over {noise.seeds} seeds has reliability "
        f"{noise.reliability:.3f}, and no proxy can be expected to correlate with it by more than "
        "the square root of that"
    )


def _build(networks: int, seeds: int, workers: int, store: Path, recipe: Recipe) -> list[Training]:
    """Train with progress on standard error; Ctrl-C says what is kept and exits 130."""
    from zcproxy import embedded

    last: list[Progress] = []
    try:
        with trainings() as show:

            def progress(state: Progress) -> None:
                last[:] = [state]
                show(state)

            return embedded.build(
                store, networks, seeds, workers=workers, recipe=recipe, progress=progress
            )
    except KeyboardInterrupt:
        kept = f"{last[0].done:,} of {last[0].total:,} trainings are" if last else "all so far is"
        raise InterruptedRun(
            f"stopped: {kept} kept in {store}; the same command goes on from there"
        ) from None


def _tell(frame: pd.DataFrame, out: Path, trainings: Sequence[Training]) -> None:
    columns = seed_columns(frame)
    mean = frame.drop(columns=["architecture", "index", *columns]).iloc[:, 0]
    seconds = statistics.mean(one.seconds for one in trainings)
    lines = {
        "table": str(out),
        "networks": f"{len(frame):,}, {len(columns)} seeds each, {seconds:.2f} s per training",
        "accuracies": f"{mean.name}: {mean.min():.1f} ... {mean.max():.1f} %, "
        f"median {mean.median():.1f} %, standard deviation {mean.std():.2f}",
        "noise": ceiling_line(frame),
    }
    for name, text in lines.items():
        typer.echo(f"{name:<11} {text}")


def _check(workers: int) -> None:
    """Train random rows of the table in use again and compare; exit 1 on any difference."""
    from zcproxy import tables
    from zcproxy.embedded import RECIPE, SPACE, description, retrain

    frame = tables.load(SPACE)
    now, then = description(RECIPE), frame.attrs.get("training")
    if then is None or then["recipe"] != now["recipe"]:
        raise DataError(
            f"the table {SPACE} in use was made by another recipe; "
            "build it again: zcproxy data build"
        )
    columns = {name: frame.attrs["columns"][name]["seed"] for name in seed_columns(frame)}
    shipped = {
        (row["architecture"], seed): row[name]
        for _, row in frame.iterrows()
        for name, seed in columns.items()
    }
    chosen = random.Random().sample(sorted(shipped), min(CHECKED, len(shipped)))
    if then["versions"] != now["versions"]:
        typer.echo(f"the table was made with {then['versions']}, here is {now['versions']}")
    differences = 0
    for one in retrain(chosen, workers=workers, recipe=RECIPE):
        expected = shipped[one.architecture, one.seed]
        same = one.accuracy == expected
        differences += not same
        verdict = "the same" if same else f"differs by {abs(one.accuracy - expected):.3f} points"
        typer.echo(
            f"{one.architecture} seed {one.seed}: {expected:.4f} % in the table, "
            f"{one.accuracy:.4f} % now, {verdict}"
        )
    typer.echo(f"{len(chosen) - differences} of {len(chosen)} trainings gave the same bits")
    if differences:
        raise typer.Exit(1)
