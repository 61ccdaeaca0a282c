"""What the page knows of one file of scores, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from zcproxy.errors import InputError
from zcproxy.kinds import FAILURE, NOT_SCORED
from zcproxy.numerals import count, missing
from zcproxy.page.packing import LEVELS, Blobs, Coded, grouped, rounded, whole
from zcproxy.report_text import DATASETS, Source, accuracy_label, best_first, versions

__all__ = ["Part", "Settings", "content"]

Step = Callable[[], None]


@dataclass(frozen=True)
class Part:
    """One file of scores and all accuracies beside it.

    `scores` has the column `architecture` and those named by `proxies`, and may have reasons
    (`<proxy>_failure`); `accuracies`, indexed by architecture, one column in percent each,
    described by `columns` (see `zcproxy.tables`), and may have none. `chosen` is the one shown
    first; `standin` says in whose place the run's data set stands, empty if it is itself.
    """

    name: str
    scores: pd.DataFrame
    proxies: Sequence[str]
    accuracies: pd.DataFrame
    chosen: str | None
    baseline: str | None = None
    source: Source = field(default_factory=Source)
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    standin: str = ""


@dataclass(frozen=True)
class Settings:
    """How agreement is computed; see `analysis.agreement_table`.

    Intervals are those of the chosen accuracy, of all with `every_interval`.
    """

    failures: str = "omit"
    resamples: int = 1000
    seed: int = 0
    top: float = 0.1
    ks: tuple[int, ...] = (10, 100)
    every_interval: bool = False


def content(part: Part, blobs: Blobs, settings: Settings, step: Step) -> dict[str, Any]:
    """Everything about one file; the numbers go to `blobs`.

    `step` is called after every table of agreement, of which there is one for each accuracy.
    """
    architectures = [str(a) for a in part.scores["architecture"]]
    names = list(dict.fromkeys([*part.proxies, *([part.baseline] if part.baseline else [])]))
    values = {name: part.scores[name].to_numpy(np.float64) for name in names}
    groups = shared_rows(list(values.values()))
    truths = part.accuracies.reindex(part.scores["architecture"])
    told = dict(failures(part.scores, names))
    return {
        "name": part.name,
        "n": len(architectures),
        "architectures": blobs.text(architectures),
        "cell": cell(architectures, blobs),
        "index": index(architectures, part.source.run.get("space"), blobs),
        "groups": None if groups is None else blobs.numbers(groups.astype(np.float64)),
        "scores": [
            {"name": name, "failures": told.get(name, {}), "whole": whole(column)}
            | blobs.column(column, groups)
            for name, column in values.items()
        ],
        "accuracies": [
            {"name": str(name), "label": accuracy_label(str(name), part.columns.get(name, {}))}
            | blobs.column(truths[name])
            for name in truths.columns
        ],
        "chosen": part.chosen,
        "baseline": part.baseline,
        "standin": part.standin,
        "headline": headline(part),
        "facts": list(facts(part, names, told)),
        "notes": [*part.source.notes, *([part.source.caution] if part.source.caution else [])],
        "agreement": agreements(part, names, settings, step),
    }


def shared_rows(columns: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any] | None:
    """Groups of rows that share every long column's value (one network of many names), if any."""
    long = [c for c in map(rounded, columns) if len(np.unique(c[~np.isnan(c)])) > LEVELS]
    if not long:
        return None
    groups = grouped(long)
    return groups if groups.max() + 1 < 0.75 * len(groups) else None


def cell(architectures: Sequence[str], blobs: Blobs) -> Coded | None:
    """Edges and operations, one byte per row and edge, where all strings are such cells."""
    from zcproxy.spaces.nasbench201 import EDGES, OPERATIONS, parse

    codes = {name: code for code, name in enumerate(OPERATIONS)}
    try:
        operations = [[codes[name] for name in parse(a.strip())] for a in architectures]
    except InputError:
        return None
    return {
        "edges": [list(edge) for edge in EDGES],
        "operations": [
            {"name": name, "label": LABELS.get(ours, ours)} for name, ours in OPERATIONS.items()
        ],
        "none": codes["none"],
        "codes": blobs.small(operations),
    }


LABELS = {"conv1x1": "conv 1×1", "conv3x3": "conv 3×3", "avgpool3x3": "avg pool 3×3"}
"""Operations as the page writes them."""


def index(architectures: Sequence[str], space: str | None, blobs: Blobs) -> int | None:
    """Official numbers of the architectures, where their space has such."""
    from zcproxy import spaces

    if space not in spaces.names():
        return None
    order = {text: i for i, text in enumerate(spaces.get(str(space)).architectures())}
    found = [order.get(text.strip()) for text in architectures]
    return None if None in found else blobs.numbers(np.array(found, dtype=np.float64))


def failures(scores: pd.DataFrame, names: Sequence[str]) -> Iterator[tuple[str, dict[str, int]]]:
    """Proxies without a value somewhere, and how often for which reason."""
    for name in names:
        lacking = scores[name].isna()
        if not lacking.any():
            continue
        if name + FAILURE in scores.columns:
            kinds = scores.loc[lacking, name + FAILURE].fillna("not stated").value_counts()
            yield name, {str(kind): int(n) for kind, n in kinds.items()}
        else:
            yield name, {"no reason stated": int(lacking.sum())}


def dataset_words(part: Part) -> str:
    """The run's data set as people write it."""
    dataset = str(part.source.run.get("dataset", ""))
    return DATASETS.get(dataset, dataset)


def headline(part: Part) -> str:
    """What was scored, in a few words."""
    run = part.source.run
    who = f"{count(len(part.scores))} architectures"
    if run.get("space"):
        who += f" of {run['space']}"
    if part.source.subset != "all":
        who += f" (subset {part.source.subset})"
    return who + (f", measured on {dataset_words(part)}" if run.get("dataset") else "")


def facts(
    part: Part, names: Sequence[str], told: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[str, str]]:
    """Terms and what is to be said of them."""
    from zcproxy.protocols import batch_in_words

    run, source = part.source.run, part.source
    if run:
        if run.get("models"):
            yield "Models", str(run["models"])
        else:
            yield "Space", str(run.get("space", "not stated"))
        yield "Data set", dataset_words(part) or "not stated"
        yield "Protocol", str(run.get("protocol", "not stated"))
        yield "Batch", f"{batch_in_words(run)}, seed {run.get('batch_seed')}"
        yield "Seed of the weights", str(run.get("seed", "not stated"))
    else:
        yield "Protocol", "the file of scores does not tell"
    failed = sum(set(kinds) != {NOT_SCORED} for kinds in told.values())
    part_way = sum(NOT_SCORED in kinds for kinds in told.values())
    yield "Architectures", f"{count(len(part.scores))}, subset {source.subset}"
    many = "1 proxy" if len(names) == 1 else f"{len(names)} proxies"
    many += f", {failed} with failures" if failed else ""
    yield "Scores", many + (f", {part_way} not scored throughout" if part_way else "")
    for name, kinds in told.items():
        yield f"Without {name}", ", ".join(f"{kind} {count(n)}" for kind, n in kinds.items())
    if len(part.accuracies.columns):
        many = "column" if len(part.accuracies.columns) == 1 else "columns"
        yield (
            "Accuracies",
            f"{len(part.accuracies.columns)} {many} of {PurePath(source.table).name} (%)",
        )
        yield "Shown first", f"{part.chosen}"
    else:
        yield "Accuracies", "none: proxies can be compared with each other"
    if source.without_accuracy:
        yield "Without accuracy", count(source.without_accuracy)
    if source.accuracy.get("source"):
        yield "Source of the accuracies", str(source.accuracy["source"])
    if run:
        yield "Versions", versions(run.get("versions"))
        yield "Images' SHA-256", str(run.get("batch_sha256", "not stated"))


def agreements(
    part: Part, names: Sequence[str], settings: Settings, step: Step
) -> dict[str, Coded]:
    """The table of agreement with every accuracy; those that cannot be made tell why."""
    found = {}
    for name in part.accuracies.columns:
        alone = str(name) != part.chosen and not settings.every_interval
        try:
            found[str(name)] = agreement(part, names, str(name), settings, not alone)
        except InputError as error:
            found[str(name)] = {"problem": str(error)}
        step()
    return found


def agreement(
    part: Part, names: Sequence[str], accuracy: str, settings: Settings, intervals: bool
) -> Coded:
    """One table as columns and rows, best Spearman first, with the reasons of missing numbers."""
    from zcproxy.analysis import agreement_table
    from zcproxy.analysis.selection import usable_sizes
    from zcproxy.analysis.table import missing_in_words

    truth = part.accuracies[accuracy].dropna()
    shared = int(part.scores["architecture"].isin(truth.index).sum())
    ks, left_out = usable_sizes(settings.ks, shared)
    table = best_first(
        agreement_table(
            part.scores,
            truth,
            list(names),
            part.baseline,
            settings.failures,
            settings.resamples if intervals else 0,
            settings.seed,
            settings.top,
            ks,
        )
    )
    attrs = table.attrs
    return {
        "columns": [str(column) for column in table.columns],
        "rows": [[plain(value) for value in row] for row in table.itertuples(index=False)],
        "missing": [*missing_in_words(table), *left_out],
        "architectures": attrs["architectures"],
        "failures": attrs["failures"],
        "resamples": attrs["resamples"],
        "seed": attrs["seed"],
        "top": attrs["top"],
    }


def plain(value: Any) -> Any:
    """A cell as JSON has it, numbers to eight digits."""
    if missing(value):
        return None
    if isinstance(value, str):
        return value
    return int(value) if float(value).is_integer() else float(f"{float(value):.8g}")
