"""`zcproxy analyze supervised`: for reference, what models trained on a few accuracies reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from zcproxy.cli.analyze.options import Csv, Json, Out
from zcproxy.cli.correlate import Accuracy, Proxies, Scores, Subset, TableName
from zcproxy.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from zcproxy.analysis import Supervised
    from zcproxy.cli.analyze.findings import Finding, Section
    from zcproxy.cli.evaluation import Evaluation

__all__ = ["supervised"]

Labels = Annotated[
    list[int] | None,
    typer.Option(
        "--labels",
        help="How many accuracies the models are trained on. Repeatable.",
        show_default="10, 30, 100, 300, as far as there are networks",
    ),
]
Beside = Annotated[
    list[str] | None,
    typer.Option(
        "--beside",
        help="A proxy or combination that needs no label, on the same architectures. Repeatable.",
        show_default="blind where its members are there, else live_params",
    ),
]
Draws = Annotated[int, typer.Option(min=1, help="Random draws of labels.")]
Sample = Annotated[
    str,
    typer.Option(
        help="What has equal chances to be a label: networks, or strings (without those of a "
        "network that is drawn already)."
    ),
]
SeedOfDraws = Annotated[int, typer.Option("--seed", min=0, help="Seed of the draws.")]

DISCLAIMER = (
    "SUPERVISED, a reference only: these models were trained on accuracies; no proxy and no "
    "combination of zcproxy ever sees one"
)


def supervised(
    scores: Scores,
    table: TableName = None,
    accuracy: Accuracy = None,
    proxies: Proxies = "all",
    subset: Subset = "all",
    labels: Labels = None,
    beside: Beside = None,
    draws: Draws = 20,
    seed: SeedOfDraws = 0,
    sample: Sample = "networks",
    out: Out = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """For reference: what models reach that are trained on the accuracies of a few architectures.

    This uses accuracies to make a ranking, unlike everything else in zcproxy. Ridge regression and
    a Gaussian process see the ranks of the proxies, the operations of the cell, or both, and the
    accuracies of so many networks, drawn at random; they rank all architectures of other networks.
    Where some networks have many strings (of NAS-Bench-201 those with dead edges), look at both
    kinds of `--sample`: of networks such strings are rare among labels, of strings rare among
    what is judged.
    Nothing is tuned on another accuracy. Beside them stands, on the same architectures, what needs
    no label, and the difference. Intervals are 2.5 and 97.5 % of the draws.

    Examples:

    `zcproxy analyze supervised scores.parquet --labels 30 --labels 100`

    `zcproxy analyze supervised scores.parquet --beside blind --beside nwot --out supervised`
    """
    from zcproxy.analysis import supervised as analysis
    from zcproxy.cli.analyze.findings import check_format, tell
    from zcproxy.cli.evaluation import evaluate
    from zcproxy.cli.progress import bar

    check_format(as_json, as_csv)
    found = evaluate(scores, table, accuracy, proxies, subset, comparable=True)
    others, rows = label_free(found, beside)
    found, rows, waiting = all_known(found, rows, others)
    networks, operations = identities(found)
    known = different(found, networks)
    sizes, left_out = usable_labels(labels, known)
    left_out = [*waiting, *left_out]
    with bar("supervised") as progress:
        result = analysis(
            rows, found.accuracies, networks, found.proxies, operations, sizes, others, draws, seed,
            sample, progress,
        )  # fmt: skip
    finding = described(found, result, known, draws, sample, operations is None, left_out)
    tell(finding, as_json, as_csv, out)


def label_free(found: Evaluation, beside: Sequence[str] | None) -> tuple[list[str], pd.DataFrame]:
    """What stands beside the models, and the scores with the counts that it needs.

    Raises InputError where nothing is asked for and neither default can be had.
    """
    from zcproxy.cli.evaluation import BASELINE, members, require_scored, with_counts

    wanted = list(dict.fromkeys(beside)) if beside else ["blind"]
    parts = members(name for name in wanted if name not in found.scores.columns)
    rows = with_counts(found.scores, parts, found.space, found.run.get("dataset"))
    if beside:
        require_scored(rows, wanted)
    if beside or set(parts) <= set(rows.columns):
        return wanted, rows
    if found.baseline is None:
        raise InputError(
            "the scores lack members of blind, and their live parameters are not known; say what "
            "to compare with, as in --beside " + found.proxies[0]
        )
    return [BASELINE], found.scores


def all_known(
    found: Evaluation, rows: pd.DataFrame, others: Sequence[str]
) -> tuple[Evaluation, pd.DataFrame, list[str]]:
    """Both without the rows in which something asked for is not known, and a note on these."""
    from dataclasses import replace

    from zcproxy.analysis.supervised import rows_known

    kept = rows_known(rows, [*found.proxies, *others])
    if len(kept) == len(rows):
        return found, rows, []
    left = found.scores[found.scores["architecture"].isin(kept["architecture"])]
    known = int(left["architecture"].isin(found.accuracies.dropna().index).sum())
    note = (
        f"left out: {len(rows) - len(kept):,} architectures where a score is not known (not "
        "scored, crashed, error or memory)"
    )
    return replace(found, scores=left, without_accuracy=len(left) - known), kept, [note]


def identities(found: Evaluation) -> tuple[dict[str, str], pd.DataFrame | None]:
    """The network of every architecture, and which edge has which operation.

    Without a space each string is a network of its own, and there are no operations.
    """
    import pandas as pd

    from zcproxy import spaces
    from zcproxy.spaces.operations import chosen_operations

    strings = [str(text) for text in found.scores["architecture"]]
    name = found.space
    if name is None:
        return {text: text for text in strings}, None
    key = spaces.get(name).key
    carried = {text: chosen_operations(text) for text in strings}
    frame = pd.DataFrame.from_dict(carried, orient="index", dtype="float64")
    return {text: key(text) for text in strings}, frame


def different(found: Evaluation, networks: dict[str, str]) -> int:
    """How many different networks have scores and accuracy."""
    known = found.accuracies.dropna().index
    return len({networks[text] for text in found.scores["architecture"] if text in known})


def usable_labels(labels: Sequence[int] | None, networks: int) -> tuple[list[int], list[str]]:
    """The numbers of labels asked for, or those of the default that leave enough; a note on these.

    Raises InputError where none of the default does.
    """
    from zcproxy.analysis.supervised import JUDGED, LABELS

    if labels:
        return list(labels), []
    kept = [n for n in LABELS if n <= networks - JUDGED]
    if not kept:
        raise InputError(
            f"only {networks} different networks have scores and accuracy, too few for "
            f"{LABELS[0]} labels and a judgement; score more, or give a smaller number by --labels"
        )
    large = ", ".join(str(n) for n in LABELS if n not in kept)
    return kept, [f"labels = {large} left out: only {networks:,} networks"] if large else []


def described(
    found: Evaluation,
    result: Supervised,
    networks: int,
    draws: int,
    sample: str,
    no_operations: bool,
    left_out: list[str],
) -> Finding:
    """The finding with its tables, sections and picture."""
    from zcproxy.analysis.rows import reasons
    from zcproxy.cli.analyze.findings import Finding, Picture
    from zcproxy.plots.learning import learning_panels

    models, beside = named(result.table), named(result.beside)
    name = str(found.accuracies.name)
    lacking = ["operations, both: the scores name no space of cells, so operations are not known"]
    others = list(dict.fromkeys(beside["beside"]))
    return Finding(
        f"SUPERVISED reference for {name}: models trained on accuracies",
        [*facts_of(found, result, networks, draws, sample), *left_out],
        {"supervised": result.table, "beside": result.beside},
        [reached(models, beside), *(gained(beside, other) for other in others)],
        [*lacking * no_operations, *reasons(models, "who"), *reasons(beside, "who")],
        [
            Picture(
                "supervised",
                f"Spearman with {name} of models trained on so many accuracies; lines across: what "
                "needs none, on all architectures",
                lambda: learning_panels(result.table, result.beside, name),
            )
        ],
    )


def named(table: pd.DataFrame) -> pd.DataFrame:
    """With who ranks and how many labels there were, in words."""
    who = table["model"].str.replace("_", " ") + " on " + table["features"]
    return table.assign(who=who, given=[f"{n:,} labels" for n in table["labels"]])


def reached(models: pd.DataFrame, beside: pd.DataFrame) -> Section:
    """Spearman on what was held out, of the models and below them of what needs no label."""
    import pandas as pd

    from zcproxy.cli.analyze.findings import matrix

    plain = beside.drop_duplicates(["beside", "labels"])
    plain = plain.assign(who=plain["beside"] + " (no label)")
    columns = ["who", "given", "spearman", "spearman_low", "spearman_high"]
    both = pd.concat([models[columns], plain[columns]], ignore_index=True)
    note = "Rows without a label: the same architectures, failures last; see beside.csv."
    title = "Spearman with accuracy on networks not trained on"
    return matrix(title, "supervised", both, "who", "given", "spearman", 3, note, "trained on")


def gained(beside: pd.DataFrame, other: str) -> Section:
    """How much better the models rank than what needs no label."""
    from zcproxy.cli.analyze.findings import matrix

    mine = beside[beside["beside"] == other]
    title = f"Spearman minus that of {other} (no label), paired in every draw"
    return matrix(title, "beside", mine, "who", "given", "difference", 3, "", "trained on")


def facts_of(
    found: Evaluation, result: Supervised, networks: int, draws: int, sample: str
) -> list[str]:
    """What was learned from what, and what was judged."""
    from zcproxy.numerals import count

    rows = result.table.drop_duplicates("labels")
    held = "; ".join(
        f"{count(row['n'])} to {count(row['n_most'])} with {count(row['labels'])} labels"
        for _, row in rows.iterrows()
    )
    same = (
        "no string of a network that was trained on is judged"
        if found.space is not None
        else "the scores name no space, so that every string counts as a network of its own"
    )
    lines = [
        DISCLAIMER,
        f"{found.compared:,} architectures (subset {found.subset}) of {found.table}, accuracy "
        f"{found.accuracies.name} (%); {networks:,} different networks: {same}",
        found.protocol,
        f"features: ranks of {len(found.proxies)} proxies among all {len(found.scores):,} "
        f"architectures scored, which needs no label, failures lowest ({', '.join(found.proxies)})",
        "labels: ranks of the accuracies drawn, one string per network, equal chances for all "
        f"{sample}; penalty and kernel by these labels alone",
        f"judged on architectures of other networks: n = {held}",
        f"means over {draws} draws of labels, intervals 2.5 and 97.5 % of the draws",
    ]
    if found.without_accuracy:
        lines.append(f"left out: {found.without_accuracy:,} scored architectures without accuracy")
    return lines + found.notes
