"""`zcproxy analyze redundancy`: how many different things do the proxies measure?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcproxy.cli.analyze.options import Csv, Json, Out
from zcproxy.cli.correlate import Proxies, Resamples, Scores, Seed, Subset

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["redundancy"]

WORDS = {
    "participation": "participation ratio, 1 / sum of squared shares of the eigenvalues",
    "entropy": "effective rank, exp of the entropy of the shares",
}


def redundancy(
    scores: Scores,
    proxies: Proxies = "all",
    subset: Subset = "all",
    resamples: Resamples = 1000,
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Say which proxies rank alike, and how many there are in effect. No accuracy is used.

    Spearman's correlations between proxies on the architectures where all have a value; the
    order of a clustering; the nearest proxy of each; the share of its ranks that all others explain
    together (R^2); and effective numbers of proxies from the eigenvalues.

    Examples:

    `zcproxy analyze redundancy scores.parquet`

    `zcproxy analyze redundancy scores.parquet --subset live --out reports/redundancy`
    """
    from zcproxy.analysis.redundancy import redundancy as analysis
    from zcproxy.analysis.rows import reasons
    from zcproxy.cli.analyze.findings import Finding, Picture, Section, check_format, note, tell
    from zcproxy.cli.analyze.score_files import combined, read, shared_proxies
    from zcproxy.cli.progress import bar
    from zcproxy.numerals import compact, count, decimal, estimate
    from zcproxy.plots.grid import value_grid

    check_format(as_json, as_csv)
    file = read(scores, subset, proxies)
    names, _ = shared_proxies([file], proxies)
    columns, notes = combined(file.scores, names)
    with bar("redundancy") as progress:
        found = analysis(columns, names, resamples, seed, progress)
    rows = found.table.sort_values("place", na_position="last", kind="stable")
    lines = [
        [
            row["proxy"],
            str(row["nearest"] or "–"),
            *(
                compact(estimate(row[c], row[f"{c}_low"], row[f"{c}_high"]))
                for c in ("spearman", "explained")
            ),
            count(row["n"]),
            count(row["failures"]),
        ]
        for _, row in rows.iterrows()
    ]
    header = ["proxy", "nearest", "Spearman [95 %]", "R^2 by all others [95 %]", "n", "failures"]
    effective = [
        [
            WORDS[row["measure"]],
            estimate(row["value"], row["value_low"], row["value_high"], 2),
            f"{row['proxies']}",
            count(row["n"]),
        ]
        for _, row in found.effective.iterrows()
    ]
    order = list(found.correlations.columns)
    square = [
        [name, *(compact(decimal(found.correlations.loc[name, other], 2)) for other in order)]
        for name in order
    ]
    sections = [
        Section("Who says the same", "redundancy", header, lines, "In the order of clustering."),
        Section(
            "How many proxies in effect",
            "effective",
            ["measure", "value [95 %]", "of", "n"],
            effective,
        ),
    ]
    if len(order) <= MOST:
        numbered = [f"{i}" for i in range(1, len(order) + 1)]
        square = [[f"{i} {row[0]}", *row[1:]] for i, row in zip(numbered, square, strict=True)]
        sections.append(Section("Spearman between proxies", "pairs", ["proxy", *numbered], square))
    caption = f"Spearman's correlation between proxies, n = {compared(found.table)}"
    finding = Finding(
        "Redundancy of proxies",
        [
            f"{file.path}: {len(file.scores):,} architectures (subset {subset}), {file.protocol}",
            "compared: the architectures where every proxy that varies has a value",
            f"intervals: 95 % percentile bootstrap over architectures, {resamples} resamples",
            *file.notes,
            *notes,
        ],
        {"redundancy": found.table, "pairs": found.pairs, "effective": found.effective},
        sections,
        reasons(found.table),
        [
            Picture(
                "correlations",
                caption,
                lambda: value_grid(
                    found.correlations,
                    "Spearman's $\\rho$ between two proxies",
                    note=note(found.pairs, "spearman"),
                ),
            )
        ],
    )
    tell(finding, as_json, as_csv, out)


MOST = 16
"""More proxies make a square that no screen shows; the picture and the CSV do."""


def compared(table: pd.DataFrame) -> str:
    """The number of compared architectures."""
    from zcproxy.numerals import count

    return count(table["n"].iloc[0])
