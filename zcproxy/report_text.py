"""The README.md of a report: what was compared, the tables, and the pictures with captions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from zcproxy.analysis.table import missing_in_words
from zcproxy.kinds import FAILURE
from zcproxy.numerals import count, decimal, estimate
from zcproxy.protocols import batch_in_words

__all__ = ["Source", "accuracy_label", "best_first", "readme"]


DATASETS = {
    "cifar10": "CIFAR-10",
    "cifar10valid": "CIFAR-10 (train half)",
    "cifar100": "CIFAR-100",
    "imagenet16-120": "ImageNet16-120",
    "imagenet16-120-standin": "the stand-in for ImageNet16-120 (averaged CIFAR-100)",
}
"""Data sets as people write them."""


@dataclass(frozen=True)
class Source:
    """Where scores and accuracies come from, for the reader of a report.

    `run` holds what is known of the run: space, dataset, protocol, batch_size, batch_seed,
    batch_sha256, seed, versions, ...; `accuracy` may hold dataset, split, epochs, seed, source.
    `notes` are sentences on what was compared, `caution` one that stands before all numbers.
    """

    table: str = "not stated"
    subset: str = "all"
    command: str = ""
    run: Mapping[str, Any] = field(default_factory=dict)
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    without_accuracy: int = 0
    notes: Sequence[str] = ()
    caution: str = ""


def accuracy_label(column: str, facts: Mapping[str, Any]) -> str:
    """An accuracy column in words, such as `CIFAR-10 test accuracy, 200 epochs`."""
    if not {"dataset", "split", "epochs"} <= facts.keys():
        return column
    seed = "" if facts.get("seed") is None else f", seed {facts['seed']}"
    dataset = DATASETS.get(facts["dataset"], facts["dataset"])
    return f"{dataset} {facts['split']} accuracy, {facts['epochs']} epochs{seed}"


def readme(
    values: pd.DataFrame, scores: pd.DataFrame, table: pd.DataFrame, source: Source, label: str
) -> Iterator[str]:
    """The lines of README.md."""
    settings = table.attrs
    yield f"# Agreement of {counted(table['proxy'])} with {label}"
    yield ""
    yield headline(table, label)
    yield ""
    if source.caution:
        yield from (source.caution, "")
    yield "![Rank correlation of every proxy](agreement.png)"
    yield ""
    yield from facts(settings, source, label)
    yield from agreement_section(table)
    yield from selection_section(table)
    yield from failure_section(values, scores, table)
    yield from picture_section()
    if source.command:
        yield from ("## Made by", "", "```sh", source.command, "```", "")


def counted(names: Iterable[str]) -> str:
    """How many proxies and combinations there are, in words."""
    from zcproxy.analysis import NAMED

    made = [name in NAMED or "+" in name or ":" in name for name in names]
    kinds = ((made.count(False), "proxy", "proxies"), (sum(made), "combination", "combinations"))
    return " and ".join(f"{n} {one if n == 1 else several}" for n, one, several in kinds if n)


def headline(table: pd.DataFrame, label: str) -> str:
    """One sentence with the best proxy and the baseline."""
    known = table[table["spearman"].notna()]
    if known.empty:
        return "No proxy orders these architectures."
    best = best_first(known).iloc[0]
    text = (
        f"Best: **{best['proxy']}** with Spearman {interval(best, 'spearman')} on "
        f"{count(best['n'])} architectures."
    )
    baseline = table.attrs["baseline"]
    if baseline in (None, best["proxy"]):
        return text
    row = table[table["proxy"] == baseline].iloc[0]
    return text + f" The baseline `{baseline}` reaches {interval(row, 'spearman')}."


def facts(settings: Mapping[Any, Any], source: Source, label: str) -> Iterator[str]:
    """What was scored, how, and against which accuracy."""
    run = source.run
    origin = source.accuracy.get("source")
    yield from ("## What was compared", "")
    yield f"- accuracy in percent: {label}"
    yield f"- column `{settings['accuracy']}` of table `{source.table}`"
    if origin:
        yield f"- source of the accuracies: {origin}"
    yield f"- architectures: {count(settings['architectures'])}, subset `{source.subset}`"
    if source.without_accuracy:
        yield f"- left out, for the table has no accuracy: {count(source.without_accuracy)}"
    yield from (f"- {note}" for note in source.notes)
    if run:
        yield f"- space: `{run.get('space')}`; protocol: `{run.get('protocol')}`"
        yield (
            f"- batch: {batch_in_words(run)}, "
            f"seed {run.get('batch_seed')}, SHA-256 `{run.get('batch_sha256')}`"
        )
        if str(run.get("dataset")).endswith("-standin"):
            yield f"- **not scored on the data set itself**, but on {DATASETS[run['dataset']]}"
        yield f"- seed of the weights: {run.get('seed')}; versions: {versions(run.get('versions'))}"
    else:
        yield "- protocol: the file of scores does not tell"
    yield f"- failures: policy `{settings['failures']}`"
    if settings["resamples"]:
        yield (
            f"- intervals: 95 % percentile bootstrap over architectures, {settings['resamples']} "
            f"resamples, seed {settings['seed']}"
        )
    else:
        yield "- intervals: none"
    yield ""


def versions(stated: Any) -> str:
    """Versions of software in a few words, however many runs contributed."""
    if isinstance(stated, Mapping):
        return ", ".join(f"{name} {version}" for name, version in stated.items())
    if isinstance(stated, list | tuple):
        return "; ".join(versions(one) for one in stated)
    return str(stated or "not stated")


def agreement_section(table: pd.DataFrame) -> Iterator[str]:
    """Coefficients, intervals and counts."""
    baseline = table.attrs["baseline"]
    header = ["proxy", "Spearman [95 %]", "Kendall tau-b [95 %]", "n", "ties", "failures"]
    rows = [
        [
            f"`{row['proxy']}`",
            *(interval(row, name) for name in ("spearman", "kendall")),
            *(count(row[name]) for name in ("n", "ties", "failures")),
        ]
        for _, row in best_first(table).iterrows()
    ]
    if baseline is not None:
        header.insert(3, f"partial, given {baseline}")
        for cells, (_, row) in zip(rows, best_first(table).iterrows(), strict=True):
            own = row["proxy"] == baseline
            cells.insert(3, "baseline" if own else decimal(row["partial"]))
    yield from ("## Agreement", "")
    yield from markdown(header, rows)
    yield (
        "Correlations are signed: a proxy counts as its definition orients it. `ties`: "
        "architectures that share their score with another one."
    )
    if baseline is not None:
        yield (
            "`partial`: Spearman's correlation of what remains of both rankings after the "
            "baseline's is taken out."
        )
    yield ""


def selection_section(table: pd.DataFrame) -> Iterator[str]:
    """How good the architectures are that a proxy picks."""
    settings = table.attrs
    share = f"{100 * settings['top']:g}"
    columns = [f"top{share}", f"top{share}_n"]
    for k in settings["ks"]:
        columns += [f"overlap@{k}", f"regret@{k}"]
    rows = [
        [
            f"`{row['proxy']}`",
            *(
                count(row[name])
                if name.endswith("_n")
                else decimal(row[name], 2 if name.startswith("regret") else 3)
                for name in columns
            ),
        ]
        for _, row in best_first(table).iterrows()
    ]
    yield from ("## Selection", "")
    yield from markdown(["proxy", f"top {share} %", "n", *columns[2:]], rows)
    yield (
        f"`top {share} %`: Spearman's correlation among the best {share} % by accuracy of all "
        "architectures compared; `n` of them have a value. "
        "`overlap@k`: share of the k best by accuracy that the k best by proxy contain. "
        "`regret@k`: best accuracy minus that of the best among the k best by proxy, in "
        "percentage points. Ties are broken at random; the numbers are exact expectations."
    )
    yield ""


def failure_section(
    values: pd.DataFrame, scores: pd.DataFrame, table: pd.DataFrame
) -> Iterator[str]:
    """Why scores, or numbers of the tables, are missing."""
    lines = list(failure_lines(values, scores, table))
    if lines:
        yield from ("## Missing numbers", "", *lines, "")


def failure_lines(values: pd.DataFrame, scores: pd.DataFrame, table: pd.DataFrame) -> Iterator[str]:
    """One line per proxy with failures (kinds and counts), one per reason of missing numbers."""
    for _, row in table.iterrows():
        name = row["proxy"]
        kinds, missing = "no reason stated", int(row["failures"])
        if name + FAILURE in scores.columns:
            stated = values.loc[values[name].isna(), name + FAILURE].fillna("not stated")
            kinds = ", ".join(f"{kind} {count(n)}" for kind, n in stated.value_counts().items())
            missing = len(stated)
        if missing:
            yield f"- `{name}` has no value for {count(missing)} architectures: {kinds}"
    yield from (f"- {line}" for line in missing_in_words(table, "`"))


def picture_section() -> Iterator[str]:
    """The other two pictures with their captions."""
    yield from ("## Score against accuracy", "", "![Score against accuracy](scores.png)", "")
    yield (
        "Best Spearman first, with its 95 % interval. Where accuracies crowd at the top, their "
        "axis is even in the logarithm of the error. At most 0.2 % of the scores at each end lie "
        "outside the axes."
    )
    yield from ("", "## Proxies among themselves", "")
    yield from ("![Spearman's correlation between proxies](correlations.png)", "")
    yield (
        "Over the architectures where both have a value; ordered by clustering. The numbers are in "
        "`correlations.csv`, those of the tables in `agreement.csv`; every picture is there as SVG."
    )
    yield ""


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table: the first column on the left, numbers on the right."""
    yield "| " + " | ".join(header) + " |"
    yield "| :-- |" + " --: |" * (len(header) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def best_first(table: pd.DataFrame) -> pd.DataFrame:
    """The table by Spearman, the best first; equal ones keep their order."""
    return table.sort_values("spearman", ascending=False, na_position="last", kind="stable")


def interval(row: Any, name: str) -> str:
    """One coefficient of a row with its interval."""
    return estimate(row[name], row[f"{name}_low"], row[f"{name}_high"])
