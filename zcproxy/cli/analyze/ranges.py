"""`zcproxy analyze ranges`: where on the scale of accuracy does a proxy tell apart?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zcproxy.cli.analyze.options import Csv, Halves, Json, Out
from zcproxy.cli.correlate import (
    Accuracy,
    K,
    Proxies,
    Resamples,
    Scores,
    Seed,
    Subset,
    TableName,
)

if TYPE_CHECKING:
    import pandas as pd

    from zcproxy.cli.analyze.findings import Section

__all__ = ["ranges"]


def ranges(
    scores: Scores,
    table: TableName = None,
    accuracy: Accuracy = None,
    proxies: Proxies = "all",
    subset: Subset = "all",
    bands: Annotated[int, typer.Option(min=2, help="Bands of equally many accuracies.")] = 10,
    top: Annotated[list[float], typer.Option(help="Share of the best by accuracy. Repeatable.")] = [
        0.5,
        0.25,
        0.1,
        0.05,
        0.01,
    ],
    k: K = [10, 100],
    resamples: Resamples = 1000,
    halves: Halves = 200,
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Say how scores agree with accuracy within bands of accuracy and among the best.

    A narrow range leaves less order to find: compare proxies within a range rather than ranges.
    Selections are exact expectations with ties broken at random, beside what a random pick gives.

    Examples:

    `zcproxy analyze ranges scores.parquet`

    `zcproxy analyze ranges scores.parquet --bands 4 --top 0.2 --k 50 --out reports/ranges`
    """
    from zcproxy.analysis.ranges import range_table, selection_table
    from zcproxy.analysis.rows import reasons
    from zcproxy.analysis.selection import usable_sizes
    from zcproxy.cli.analyze.bias import facts_of
    from zcproxy.cli.analyze.findings import Finding, Picture, check_format, matrix, tell, widest
    from zcproxy.cli.evaluation import evaluate
    from zcproxy.cli.progress import bar
    from zcproxy.plots.grid import value_grid

    check_format(as_json, as_csv)
    found = evaluate(scores, table, accuracy, proxies, subset, comparable=True)
    ks, left_out = usable_sizes(k, found.compared)
    with bar("ranges") as progress:
        within = range_table(
            found.scores, found.accuracies, found.proxies, bands, top, resamples, seed, progress
        )
    with bar("selections") as progress:
        selected = selection_table(
            found.scores, found.accuracies, found.proxies, (0.1, 0.05, 0.01), ks, halves, seed,
            progress,
        )  # fmt: skip
    short = {f"band {b} of {bands}": f"{b}" for b in range(1, bands + 1)}
    cut = within.assign(range=[short.get(r, r) for r in within["range"]])
    is_top = cut["range"].str.startswith("top")
    title = f"Spearman within {bands} bands of accuracy (1 the lowest)"
    sections = [
        limits(within, bands),
        matrix(title, "ranges", cut[~is_top], "proxy", "range", "spearman"),
        matrix(
            "Spearman among the best by accuracy", "ranges", cut[is_top], "proxy", "range",
            "spearman",
        ),
        *(picked(selected, what) for what in ("overlap", "mean", "regret")),
    ]  # fmt: skip

    def grid() -> pd.DataFrame:
        order = list(dict.fromkeys(cut["proxy"])), list(dict.fromkeys(cut["range"]))
        return cut.pivot(index="proxy", columns="range", values="spearman").loc[order[0], order[1]]

    caption = (
        f"Spearman's correlation within {bands} bands of {found.accuracies.name} (1 the lowest) "
        "and among the best"
    )
    finding = Finding(
        f"Agreement by range of {found.accuracies.name}",
        [
            *facts_of(found, resamples),
            *left_out,
            f"[halves] of selections: 95 % of {halves} random halves of the architectures, which "
            "have fewer best ones and fewer ties than all",
        ],
        {"ranges": within, "selections": selected},
        sections,
        list(dict.fromkeys(reasons(within, "range") + reasons(selected, "selected"))),
        [
            Picture(
                "ranges",
                caption,
                lambda: value_grid(
                    grid(),
                    "Spearman's $\\rho$ within the range",
                    [1, bands + 1],
                    note=f"{found.accuracies.name}, n of all = {found.compared:,}. "
                    + widest(within, "spearman", 2),
                ),
            )
        ],
    )
    tell(finding, as_json, as_csv, out)


def limits(within: pd.DataFrame, bands: int) -> Section:
    """The accuracies that bound every range, and how many architectures lie in it."""
    from zcproxy.cli.analyze.findings import Section
    from zcproxy.numerals import count, decimal

    rows = within[within["proxy"] == within["proxy"].iloc[0]]
    judged = within.groupby("range")["n"]
    fewest, most = judged.min(), judged.max()
    lines = [
        [
            row["range"],
            decimal(row["accuracy_low"], 2),
            decimal(row["accuracy_high"], 2),
            count(row["n"] + row["failures"]),
            " – ".join(dict.fromkeys(count(n) for n in (fewest[row["range"]], most[row["range"]]))),
        ]
        for _, row in rows.iterrows()
    ]
    header = ["range", "from (%)", "to (%)", "architectures", "n"]
    note = (
        "Ranges are of all architectures with an accuracy, and those of equal accuracy stay "
        "together. n: those where a proxy has a value, the fewest and the most of all proxies."
    )
    return Section("Ranges of accuracy", "ranges", header, lines, note)


TITLES = {
    "overlap": ("Share of the best that a selection of as many contains", 3),
    "mean": ("Mean accuracy of a selection (%)", 2),
    "regret": ("Accuracy lost by training only a selection (points)", 2),
}


def picked(selected: pd.DataFrame, what: str) -> Section:
    """One number of all selections, with what a random pick gives in the last row."""
    from dataclasses import replace

    import pandas as pd

    from zcproxy.cli.analyze.findings import HALVES, matrix
    from zcproxy.numerals import count

    title, digits = TITLES[what]
    rows = selected[["proxy", "selected", what, f"{what}_low", f"{what}_high"]]
    first = selected[selected["proxy"] == selected["proxy"].iloc[0]]
    chance = first[["proxy", "selected", f"chance_{what}"]].rename(columns={f"chance_{what}": what})
    missing = pd.array([pd.NA] * len(chance), dtype="Float64")
    ends = {f"{what}_low": missing, f"{what}_high": missing}
    both = pd.concat([rows, chance.assign(proxy="(random pick)", **ends)], ignore_index=True)
    section = matrix(title, "selections", both, "proxy", "selected", what, digits, bracket=HALVES)
    sizes = first.set_index("selected")["k"]
    judged = selected.drop_duplicates("proxy").set_index("proxy")["n"]
    of_all = [
        f"{label} ({count(sizes[name])})" if name.startswith("top") else label
        for name, label in zip(sizes.index, section.header[1:], strict=True)
    ]
    rows_n = [[*row, count(judged.get(row[0]))] for row in section.rows]
    note = " ".join(
        part for part in ("top x %: so many are picked of n with a value.", section.note) if part
    )
    return replace(section, header=[section.header[0], *of_all, "n"], rows=rows_n, note=note)
