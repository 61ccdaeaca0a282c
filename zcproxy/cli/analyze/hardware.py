"""`zcproxy analyze hardware`: what a proxy finds for a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from zcproxy.cli.analyze.options import Csv, Halves, Json, Out
from zcproxy.cli.correlate import (
    Accuracy,
    Proxies,
    Resamples,
    Scores,
    Seed,
    Subset,
    TableName,
)
from zcproxy.errors import InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from zcproxy.cli.analyze.findings import Finding
    from zcproxy.cli.evaluation import Evaluation

__all__ = ["hardware"]

DRAWN = 3
"""Proxies whose choices are drawn, beside the baseline."""

PANELS = 12
"""Proxies whose scores are drawn against accuracy and a cost."""


def hardware(
    scores: Scores,
    table: TableName = None,
    accuracy: Accuracy = None,
    proxies: Proxies = "all",
    subset: Subset = "all",
    cost: Annotated[
        list[str] | None,
        typer.Option(help="Such as raspi4_latency. Repeatable.", show_default="all costs"),
    ] = None,
    budget: Annotated[
        list[float], typer.Option(help="Share of the architectures that fits. Repeatable.")
    ] = [0.1, 0.25, 0.5, 0.75],
    pick: Annotated[
        list[int], typer.Option(min=1, help="How many within a budget to train. Repeatable.")
    ] = [1, 10],
    resamples: Resamples = 1000,
    halves: Halves = 200,
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Say how good the fronts of score and measured cost are, and what budgets cost in accuracy.

    Costs are measured latencies (ms) and energies (mJ) of HW-NAS-Bench for NAS-Bench-201, from
    the file `nasbench201/hw_nas_bench.csv.gz` in the data folder. A proxy's front of score and
    cost is judged by the accuracies of what is on it: `recall` of the true front of accuracy and
    cost, and `hypervolume` relative to it (reference: median accuracy, largest cost). `partial` is
    Spearman's correlation of score and accuracy given the cost. `lost` is the best accuracy within
    a budget minus the best among the picked. Ties are broken at random, and the numbers are exact
    expectations.

    Examples:

    `zcproxy analyze hardware scores.parquet --cost raspi4_latency --cost fpga_energy`

    `zcproxy analyze hardware scores.parquet --budget 0.2 --pick 5 --out reports/hardware`
    """
    from zcproxy.analysis.hardware import hardware as analysis
    from zcproxy.cli.analyze.findings import check_format, tell
    from zcproxy.cli.evaluation import evaluate
    from zcproxy.cli.progress import bar

    check_format(as_json, as_csv)
    found = evaluate(scores, table, accuracy, proxies, subset, comparable=True)
    costs = costs_of(found, cost)
    with bar("hardware") as progress:
        result = analysis(
            found.scores, found.accuracies, costs, names_of(found), budget, pick, resamples,
            halves, seed, progress,
        )  # fmt: skip
    tell(described(found, costs, result, resamples, halves), as_json, as_csv, out)


def names_of(found: Evaluation) -> list[str]:
    """The proxies, and the baseline if it is not one of them."""
    baseline = [] if found.baseline is None else [found.baseline]
    return list(dict.fromkeys([*found.proxies, *baseline]))


def costs_of(found: Evaluation, wanted: Sequence[str] | None) -> pd.DataFrame:
    """The costs asked for, of the data set that the scores belong to."""
    from zcproxy.datasets.catalogue import stands_for
    from zcproxy.tables import hardware as costs

    space = found.run.get("space")
    if space is not None and space != costs.SPACE:
        raise InputError(f"the costs of devices are of {costs.SPACE}, the scores of {space}")
    frame = costs.load(stands_for(str(found.run.get("dataset") or "cifar10")))
    names = list(dict.fromkeys(wanted or frame.columns))
    for name in names:
        if name not in frame.columns:
            raise unknown("cost", name, map(str, frame.columns))
    chosen = frame[names]
    chosen.attrs = dict(frame.attrs)
    return chosen


def described(
    found: Evaluation, costs: pd.DataFrame, result: Any, resamples: int, halves: int
) -> Finding:
    """The finding with its tables, sections and pictures."""
    from zcproxy.analysis.hardware import RANDOM, TRUE
    from zcproxy.analysis.rows import reasons
    from zcproxy.cli.analyze.bias import facts_of
    from zcproxy.cli.analyze.findings import HALVES, Finding, matrix

    table, budgets = result.table, result.budgets
    proxies = table[~table["proxy"].isin([TRUE, RANDOM])]
    sections = [
        matrix("Spearman of score and cost", "hardware", table, "proxy", "cost", "spearman"),
        matrix(
            "Spearman of score and accuracy, given the cost", "hardware", proxies, "proxy", "cost",
            "partial", corner="proxy, given",
        ),
        matrix(
            "Recall of the true front", "hardware", table, "proxy", "cost", "recall",
            note=sizes(table), bracket=HALVES,
        ),
        matrix(
            "Hypervolume of the choice, relative to the true front", "hardware", table, "proxy",
            "cost", "hypervolume", note=reference(found, costs), bracket=HALVES,
        ),
    ]  # fmt: skip
    for k in dict.fromkeys(budgets["picks"]):
        for share in dict.fromkeys(budgets["share"]):
            rows = budgets[(budgets["picks"] == k) & (budgets["share"] == share)]
            what = "the best by score" if k == 1 else f"the {k} best by score"
            title = f"Accuracy lost (points): {what} of the cheapest {100 * share:g} %"
            sections.append(
                matrix(title, "budgets", rows, "proxy", "cost", "lost", 2, bracket=HALVES)
            )
    attrs = costs.attrs
    without = [
        f"{row['cost']}: {row['without_cost']:,}"
        for _, row in table.drop_duplicates("cost").iterrows()
        if row["without_cost"]
    ]
    facts = [
        *facts_of(found, resamples),
        f"costs: {attrs['source']}, {attrs['dataset']}; "
        + ", ".join(f"{name} ({attrs['units'][name]})" for name in costs.columns),
        f"[halves] of fronts and budgets: 95 % of {halves} random halves of the architectures (a "
        "half has a front of its own and fewer ties, so that its numbers need not lie around those "
        "of all); of (random): 95 % of 100 random rankings",
    ]
    if without:
        facts.append(
            f"left out, for a device cannot run them or has no cost of them: {', '.join(without)}"
        )
    tables = {"hardware": table, "budgets": budgets, "fronts": result.fronts}
    title = f"Accuracy ({found.accuracies.name}) and cost on devices, by proxy"
    missing = list(dict.fromkeys(reasons(table) + reasons(budgets)))
    return Finding(title, facts, tables, sections, missing, pictures(found, costs, result))


def reference(found: Evaluation, costs: pd.DataFrame) -> str:
    """The reference points of hypervolumes, in words."""
    points = []
    for name in costs.columns:
        here = cloud_of(found, costs, str(name))
        if len(here):
            median, most = here["accuracy"].median(), here["value"].max()
            points.append(f"{median:.2f} %, {most:.4g} {costs.attrs['units'][name]} ({name})")
    return (
        "Area that a front covers above the median accuracy and below the largest cost, divided by "
        "that of the true front; .000 where nothing chosen is better than the median. Reference: "
        f"{'; '.join(points)}."
    )


def cloud_of(found: Evaluation, costs: pd.DataFrame, name: str) -> pd.DataFrame:
    """Accuracy and one cost (`value`) of the architectures that have scores and both."""
    import pandas as pd

    truth = found.accuracies.reindex(found.scores["architecture"]).dropna()
    both = pd.DataFrame({"accuracy": truth, "value": costs[name].reindex(truth.index)})
    return both.dropna()


def sizes(table: pd.DataFrame) -> str:
    """How large true fronts are, in words."""
    rows = table.drop_duplicates("cost")
    return (
        "On the true front: "
        + ", ".join(f"{row['front']} ({row['cost']})" for _, row in rows.iterrows())
        + "."
    )


def pictures(found: Evaluation, costs: pd.DataFrame, result: Any) -> list[Any]:
    """Fronts, every score against accuracy and cost, and hypervolumes of all proxies."""
    from zcproxy.analysis.hardware import RANDOM, TRUE
    from zcproxy.cli.analyze.findings import Picture, note
    from zcproxy.plots.fronts import front_panels, trade_panels
    from zcproxy.plots.grid import value_grid
    from zcproxy.report_text import accuracy_label

    table = result.table
    means = table[~table["proxy"].isin([TRUE, RANDOM])].groupby("proxy", sort=False)["hypervolume"]
    best = list(means.mean().sort_values(ascending=False, kind="stable").index)
    volumes = table.pivot(index="proxy", columns="cost", values="hypervolume").loc[best]
    different = list(volumes[~volumes.duplicated()].index)
    drawn = [name for name in different if name != found.baseline][:DRAWN]
    drawn += [] if found.baseline is None else [found.baseline]
    facts = {str(name): value for name, value in found.accuracies.attrs.items()}
    label = f"{accuracy_label(str(found.accuracies.name), facts)} (%)"
    every = {str(name): cloud_of(found, costs, str(name)) for name in costs.columns}
    clouds = {name: cloud for name, cloud in every.items() if len(cloud)}
    units = costs.attrs["units"]

    def fronts() -> Any:
        return front_panels(clouds, result.fronts, drawn, units, label, TRUE)

    def trade(cost: str) -> Any:
        scores = found.scores.set_index("architecture")[best[:PANELS]].loc[clouds[cost].index]
        mine = result.fronts[result.fronts["cost"] == cost]
        return trade_panels(clouds[cost], scores, mine, cost, units[cost], label, TRUE)

    def grid() -> Any:
        order = [TRUE, *best, RANDOM]
        values = table.pivot(index="proxy", columns="cost", values="hypervolume")
        return value_grid(
            values.loc[order, list(dict.fromkeys(table["cost"]))],
            "hypervolume relative to the true front",
            lines=[1, len(order) - 1],
            ends=(0.0, 1.0),
            note=note(table),
        )

    return [
        Picture(
            "fronts",
            f"Accuracy against cost: all architectures, the true front, and the choices of "
            f"{', '.join(drawn)} (the largest hypervolumes of proxies that choose differently, and "
            "the baseline; at ties the mean)",
            fronts,
        ),
        *(
            Picture(
                f"scores-{cost}",
                f"Score (color: rank, 1 the highest; grey: no score) against accuracy and {cost}, "
                f"one panel per proxy, the {PANELS} largest hypervolumes at most; lines: the true "
                "front, and what is on the front of score and cost, at its accuracy (at ties the "
                "mean)",
                lambda cost=cost: trade(cost),  # type: ignore[misc]
            )
            for cost in clouds
        ),
        Picture("hypervolume", "Hypervolume of every choice, relative to the true front", grid),
    ]
