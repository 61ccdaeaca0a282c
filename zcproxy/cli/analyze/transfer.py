"""`zcproxy analyze transfer`: do scores on one data set predict accuracies on another?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcproxy.cli.analyze.options import Accuracies, Csv, Files, Json, Out
from zcproxy.cli.correlate import Proxies, Resamples, Seed, Subset, TableName
from zcproxy.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from zcproxy.cli.analyze.findings import Section
    from zcproxy.cli.analyze.score_files import ScoreFile

__all__ = ["transfer"]


def transfer(
    files: Files,
    table: TableName = None,
    accuracy: Accuracies = None,
    proxies: Proxies = "all",
    subset: Subset = "all",
    resamples: Resamples = 1000,
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Say how scores taken on each data set agree with every accuracy, and what is lost.

    Give one file of scores per data set, of one protocol. Beside it stand how far the accuracies
    agree among themselves, which is how well accuracy itself would carry over (a score may do
    better or worse), and, for several data sets, how far a proxy's scores on one agree with its
    own on another.

    Examples:

    `zcproxy analyze transfer cifar10.parquet`

    `zcproxy analyze transfer cifar10.parquet cifar100.parquet --accuracy cifar100_test_200
    --accuracy cifar10_test_200 --out reports/transfer`
    """
    from zcproxy import tables
    from zcproxy.analysis.transfer import transfer as analysis
    from zcproxy.cli.analyze.findings import check_format, tell
    from zcproxy.cli.analyze.score_files import all_combined, read_all, shared_proxies
    from zcproxy.cli.evaluation import chosen_accuracy, release_of
    from zcproxy.cli.progress import bar

    check_format(as_json, as_csv)
    runs = read_all(files, subset, proxies)
    names, notes = shared_proxies(runs, proxies)
    name = table or runs[0].run.get("space") or "nasbench201"
    accuracies = tables.load(name)
    labels = labelled(runs)
    release = release_of(runs[0].run.get("protocol"))
    own = {
        label: chosen_accuracy(accuracies, None, run.run.get("dataset"), name, release)
        for label, run in labels.items()
    }
    columns = list(dict.fromkeys([*own.values(), *wanted(accuracies, accuracy, name)]))
    truth, matched = with_strings(accuracies, columns, runs)
    made, said = all_combined(runs, names)
    frames = {label: made[run.path] for label, run in labels.items()}
    with bar("transfer") as progress:
        found = analysis(frames, truth, own, names, resamples, seed, progress)
    finding = described(labels, own, name, found, [*notes, *matched, *said], resamples)
    tell(finding, as_json, as_csv, out)


def labelled(runs: Sequence[ScoreFile]) -> dict[str, ScoreFile]:
    """The files by the data set they were scored on."""
    from zcproxy.cli.typed import shown

    found: dict[str, ScoreFile] = {}
    for run in runs:
        label = shown(str(run.run.get("dataset") or run.path))
        if label in found:
            raise InputError(
                f"{found[label].path} and {run.path} were both scored on {label}; give one file "
                "of each data set (zcproxy analyze stability compares seeds)"
            )
        found[label] = run
    return found


def wanted(accuracies: pd.DataFrame, asked: Sequence[str] | None, table: str) -> list[str]:
    """The accuracy columns asked for, or the test accuracies of all data sets and epochs."""
    columns: dict[str, dict[str, Any]] = accuracies.attrs.get("columns", {})
    for name in asked or ():
        if name not in columns:
            raise InputError(f"table {table} has no accuracy '{name}'; it has {', '.join(columns)}")
    return list(asked or ()) or [
        name
        for name, facts in columns.items()
        if facts["split"] == "test" and facts["seed"] is None and not facts.get("release")
    ]


def with_strings(
    accuracies: pd.DataFrame, columns: Sequence[str], runs: Sequence[ScoreFile]
) -> tuple[pd.DataFrame, list[str]]:
    """The columns by architecture; where networks were trained once, by their other strings too."""
    import pandas as pd

    from zcproxy.cli.evaluation import TRAINED_ONCE, by_network

    truth = accuracies.set_index("architecture")[list(columns)].astype("float64")
    space = accuracies.attrs.get("space")
    if space not in TRAINED_ONCE:
        return truth, []
    strings = dict.fromkeys(text for run in runs for text in run.scores["architecture"])
    found = {name: by_network(truth[name], strings, str(space)) for name in columns}
    notes = dict.fromkeys(note for _, several in found.values() for note in several)
    return pd.DataFrame({name: series for name, (series, _) in found.items()}), list(notes)


def described(
    labels: dict[str, ScoreFile],
    own: dict[str, str],
    table: str,
    found: Any,
    notes: list[str],
    resamples: int,
) -> Any:
    """The finding with its tables, sections and picture."""
    from zcproxy.analysis.rows import reasons
    from zcproxy.cli.analyze.findings import Finding, Picture, matrix, note
    from zcproxy.plots.grid import value_grid

    pairs = zip(found.table["proxy"], found.table["scored_on"], strict=True)
    rows = found.table.assign(row=[row_name(proxy, label, labels) for proxy, label in pairs])
    sections = [
        matrix("Spearman with every accuracy", "transfer", rows, "row", "accuracy", "spearman",
               corner="proxy @ scored on" if len(labels) > 1 else "proxy"),
        matrix("Lost against the accuracy of the data set scored on", "transfer", rows, "row",
               "accuracy", "lost", corner="proxy @ scored on" if len(labels) > 1 else "proxy"),
        *between_section(found.between),
        ceilings_section(found.ceilings),
    ]  # fmt: skip
    columns = list(dict.fromkeys(rows["accuracy"]))

    def grid() -> pd.DataFrame:
        import pandas as pd

        order = list(dict.fromkeys(rows["row"]))
        values = rows.pivot(index="row", columns="accuracy", values="spearman").loc[order, columns]
        best = rows.drop_duplicates(["scored_on", "accuracy"]).pivot(
            index="scored_on", columns="accuracy", values="ceiling"
        )
        best.index = pd.Index([f"accuracy itself, {own[label]}" for label in best.index])
        both: pd.DataFrame = pd.concat([best[columns], values])
        return both

    facts = [
        f"{label}: {run.path}, {len(run.scores):,} architectures, {run.protocol}; its own accuracy "
        f"is {own[label]}"
        for label, run in labels.items()
    ]
    facts += [
        f"accuracies of {table}; n = {n_words(found.table)}",
        f"intervals: 95 % percentile bootstrap over architectures, {resamples} resamples; losses "
        "are differences within the same resamples",
        *left_out(labels, found.table),
        *dict.fromkeys(note for run in labels.values() for note in run.notes),
        *notes,
    ]
    picture = Picture(
        "transfer",
        "Spearman's correlation of scores with every accuracy, below that of accuracy itself",
        lambda: value_grid(
            grid(),
            "Spearman's $\\rho$ with the accuracy",
            lines=[len(labels)],
            note=note(found.table, "spearman"),
        ),
    )
    tables = {"transfer": found.table, "accuracies": found.ceilings}
    if len(found.between):
        tables["between"] = found.between
    missing = list(dict.fromkeys(reasons(found.table) + reasons(found.between)))
    title = "Transfer of scores between data sets and epochs"
    return Finding(title, facts, tables, sections, missing, [picture])


def left_out(labels: dict[str, ScoreFile], table: pd.DataFrame) -> list[str]:
    """How many scored architectures have not all the accuracies, a line per file where any."""
    lines = []
    for label, run in labels.items():
        row = table[table["scored_on"] == label].iloc[0]
        absent = len(run.scores) - int(row["n"]) - int(row["failures"])
        if absent:
            lines.append(f"left out of {label}: {absent:,} architectures without all accuracies")
    return lines


def row_name(proxy: str, label: str, labels: dict[str, ScoreFile]) -> str:
    """A proxy, with the data set it was scored on where there are several."""
    return f"{proxy} @ {label}" if len(labels) > 1 else proxy


def n_words(table: pd.DataFrame) -> str:
    """How many architectures the proxies were judged on."""
    from zcproxy.numerals import count

    sizes = sorted(set(table["n"]))
    low, high = count(sizes[0]), count(sizes[-1])
    return low if low == high else f"{low} to {high}, by proxy (failures are left out)"


def ceilings_section(ceilings: pd.DataFrame) -> Section:
    """How accuracies agree with each other."""
    from zcproxy.cli.analyze.findings import Section
    from zcproxy.numerals import compact, count, estimate

    lines = [
        [
            row["accuracy"],
            row["other"],
            compact(estimate(row["spearman"], row["spearman_low"], row["spearman_high"])),
            count(row["n"]),
        ]
        for _, row in ceilings.iterrows()
    ]
    header = ["accuracy", "other", "Spearman [95 %]", "n"]
    return Section("How far accuracies agree themselves", "accuracies", header, lines)


def between_section(between: pd.DataFrame) -> list[Section]:
    """How a proxy's scores on one data set agree with its own on another; none for one data set."""
    from zcproxy.cli.analyze.findings import Section
    from zcproxy.numerals import compact, count, estimate

    lines = [
        [
            row["proxy"],
            row["scored_on"],
            row["other"],
            compact(estimate(row["spearman"], row["spearman_low"], row["spearman_high"])),
            count(row["n"]),
            count(row["failures"]),
        ]
        for _, row in between.iterrows()
    ]
    header = ["proxy", "scored on", "and on", "Spearman [95 %]", "n", "failures"]
    title = "Every proxy with itself on another data set"
    return [Section(title, "between", header, lines)] * bool(lines)
