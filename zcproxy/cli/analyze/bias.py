"""`zcproxy analyze bias`: does a proxy know more than size, depth and operations?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from zcproxy.cli.analyze.options import Csv, Json, Out
from zcproxy.cli.correlate import (
    Accuracy,
    Proxies,
    Resamples,
    Scores,
    Seed,
    Subset,
    TableName,
)
from zcproxy.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from zcproxy.cli.analyze.findings import Finding
    from zcproxy.cli.evaluation import Evaluation

__all__ = ["bias", "counts_of"]


def bias(
    scores: Scores,
    table: TableName = None,
    accuracy: Accuracy = None,
    proxies: Proxies = "all",
    subset: Subset = "all",
    resamples: Resamples = 1000,
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Say how scores, and accuracy, go with counts, and what the scores know beyond them.

    Counts are those of the space (parameters, live parameters, FLOPs, depth, ...) and how often
    an architecture chooses each operation. `given X` is Spearman's correlation of score and
    accuracy after the part that X explains is taken out of both rankings; given all, the part that
    all counts explain in a linear fit on their ranks.

    Examples:

    `zcproxy analyze bias scores.parquet`

    `zcproxy analyze bias scores.parquet --subset live --accuracy cifar100_test_200 --out bias`
    """
    from zcproxy.analysis.bias import bias_table
    from zcproxy.cli.analyze.findings import check_format, tell
    from zcproxy.cli.evaluation import evaluate
    from zcproxy.cli.progress import bar

    check_format(as_json, as_csv)
    found = evaluate(scores, table, accuracy, proxies, subset, comparable=True)
    counts = counts_of(found)
    with bar("bias") as progress:
        result = bias_table(
            found.scores, found.accuracies, counts, found.proxies, resamples, seed, progress
        )
    tell(described(found, result, resamples), as_json, as_csv, out)


def described(found: Evaluation, result: pd.DataFrame, resamples: int) -> Finding:
    """The finding with its tables, sections and pictures."""
    from zcproxy.analysis.bias import ACCURACY, ALL
    from zcproxy.analysis.rows import reasons
    from zcproxy.cli.analyze.findings import Finding, Picture, matrix, note
    from zcproxy.plots.grid import value_grid

    simple = result[result["count"] != ALL]
    explained = result[result["count"] == ALL].assign(count="R^2 by all counts")
    proxies = result[result["proxy"] != ACCURACY]
    given = beyond(proxies, ALL)
    spearman, partial = "Spearman's $\\rho$ with the count", "partial $\\rho$ with accuracy"
    sections = [
        matrix("Spearman with counts", "bias", simple, "proxy", "count", "spearman"),
        matrix("Spearman with accuracy, given counts", "bias", given, "proxy", "given", "partial"),
        matrix("How much of its ranks counts explain", "bias", explained, "proxy", "count", SHARE),
    ]
    pictures = [
        Picture(
            "counts",
            "Spearman's correlation of accuracy and scores with counts",
            lambda: value_grid(
                squared(simple, "count", "spearman"),
                spearman,
                lines=[1],
                note=note(simple, "spearman"),
            ),
        ),
        Picture(
            "given",
            "Spearman's correlation of scores with accuracy, given nothing, one count, or all",
            lambda: value_grid(
                squared(given, "given", "partial"),
                partial,
                rules=[1, given["given"].nunique() - 1],
                note=note(proxies, "partial"),
            ),
        ),
    ]
    facts = [*facts_of(found, resamples)]
    if found.space is not None:
        facts.append("counts of operations are of all edges of the string, dead ones too")
    title = f"Bias of proxies towards counts, beside {result.attrs['accuracy']}"
    return Finding(title, facts, {"bias": result}, sections, reasons(result), pictures)


def beyond(proxies: pd.DataFrame, everything: str) -> pd.DataFrame:
    """Correlation with accuracy given nothing, each count, and all, as the column `given` says."""
    import pandas as pd

    ends = ("", "_low", "_high")
    partial = proxies.assign(given=["all" if c == everything else c for c in proxies["count"]])
    alone = proxies.drop_duplicates("proxy").assign(given="nothing")
    alone = alone.assign(**{f"partial{end}": alone[f"agreement{end}"] for end in ends})
    columns = ["proxy", "given", *(f"partial{end}" for end in ends)]
    return pd.concat([alone[columns], partial[columns]], ignore_index=True)


def squared(rows: pd.DataFrame, columns: str, value: str) -> pd.DataFrame:
    """Rows of proxies by columns, both in the order in which they came."""
    order = list(dict.fromkeys(rows["proxy"])), list(dict.fromkeys(rows[columns]))
    return rows.pivot(index="proxy", columns=columns, values=value).loc[order[0], order[1]]


SHARE = "explained"


def facts_of(found: Evaluation, resamples: int) -> list[str]:
    """What was compared, and how intervals were made."""
    lines = [
        f"{found.compared:,} architectures (subset {found.subset}) of {found.table}, accuracy "
        f"{found.accuracies.name} (%)",
        found.protocol,
        "each proxy on the architectures where it has a value: n = "
        + per_proxy(found.scores, found.accuracies, found.proxies),
        f"intervals: 95 % percentile bootstrap over architectures, {resamples} resamples",
    ]
    if found.without_accuracy:
        lines.append(f"left out: {found.without_accuracy:,} scored architectures without accuracy")
    return lines + found.notes


def per_proxy(scores: pd.DataFrame, truth: pd.Series[float], names: Iterable[str]) -> str:
    """How many architectures every proxy is judged on, those with the same number together."""
    here = scores["architecture"].isin(truth.dropna().index)
    sizes: dict[int, list[str]] = {}
    for name in names:
        sizes.setdefault(int(scores.loc[here, name].notna().sum()), []).append(name)
    if len(sizes) == 1:
        return f"{next(iter(sizes)):,}"
    return "; ".join(f"{n:,} for {', '.join(who)}" for n, who in sizes.items())


def counts_of(found: Evaluation) -> pd.DataFrame:
    """Counts of every architecture by its space: those of `proxies.COUNTS`, and of operations.

    Without a space, as of one's own models, those of `proxies.COUNTS` that were scored.
    """
    import pandas as pd

    from zcproxy import spaces
    from zcproxy.proxies import COUNTS
    from zcproxy.spaces.operations import operation_counts

    name = found.space
    if name is None:
        scored = [count for count in COUNTS if count in found.scores.columns]
        if not scored:
            raise InputError(
                "the scores name no space and have no counts to compare with; score params, flops "
                "or live_params, too"
            )
        return found.scores.set_index("architecture")[scored].astype("float64")
    space, dataset = spaces.get(name), found.run.get("dataset")
    rows = {
        text: {**space.counts(text, dataset), **operation_counts(text)}
        for text in found.scores["architecture"]
    }
    return pd.DataFrame.from_dict(rows, orient="index", dtype="float64")
