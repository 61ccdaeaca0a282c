"""Cells as a frame, as Markdown and as rows for the screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from zcproxy.numerals import compact, count, decimal, missing
from zcproxy.reproduction.cells import RULE, Cell
from zcproxy.reproduction.choice import Missing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "columns", "framed", "line", "lines", "markdown", "notes", "tally"]

COLUMNS = (
    "data set",
    "statistic",
    "proxy",
    "ours",
    "published",
    "difference",
    "95 %",
    "n",
    "verdict",
)
SUBSET, RUN = "subset", "run"
"""Columns that stand in a table only where there is more than one."""

NUMBERS = ("ours", "published", "difference", "n")
"""Columns that are set to the right."""

STATISTICS = {
    "spearman": "Spearman",
    "kendall": "tau-b",
    "top": "Spearman, best tenth",
    "concordance": "pairs right",
    "scores": "with their scores",
}


def framed(found: Sequence[Cell]) -> pd.DataFrame:
    """One row per cell with all its digits, what it is made from, and sources and reasons."""
    import pandas as pd

    rows = [
        {
            "table": cell.published.table,
            "dataset": cell.published.dataset,
            "subset": cell.published.subset,
            "failures": cell.published.failures,
            "statistic": cell.published.statistic,
            "proxy": cell.published.proxy,
            "ours": cell.ours,
            "low": cell.low,
            "high": cell.high,
            "published": cell.published.value,
            "difference": cell.difference,
            "n": cell.n,
            "of": cell.of,
            "sample": cell.sample,
            "verdict": cell.verdict,
            "accuracy": cell.published.accuracy,
            "scored": cell.made,
            "scored_dataset": cell.dataset,
            "files": ", ".join(cell.files),
            "source": cell.published.source,
            "note": cell.published.note,
            "reason": cell.published.reason,
            "remarks": "; ".join(cell.remarks),
        }
        for cell in found
    ]
    return pd.DataFrame(rows)


def columns(found: Sequence[Cell]) -> list[str]:
    """The columns of a table: `COLUMNS`, and which subset and which run if there are several."""
    names = list(COLUMNS)
    if len({cell.published.subset for cell in found}) > 1:
        names.insert(names.index("statistic"), SUBSET)
    if len(_runs(found)) > 1:
        names.insert(names.index("verdict"), RUN)
    return names


def lines(found: Sequence[Cell]) -> list[list[str]]:
    """The texts of `columns` for every cell; numbers in brackets are those of its remarks."""
    names, said, runs = columns(found), _remarks(found), _runs(found)
    return [[line(cell, said, runs)[name] for name in names] for cell in found]


def line(cell: Cell, said: Sequence[str] = (), runs: Sequence[str] = ()) -> dict[str, str]:
    """The texts of one cell by column."""
    row = cell.published
    difference = cell.difference
    signed = "–" if difference is None else compact(f"{difference:+.3f}")
    interval = "–" if missing(cell.low) else f"{decimal(cell.low)} to {decimal(cell.high)}"
    marks = "".join(f" [{said.index(text) + 1}]" for text in cell.remarks if text in said)
    run = _run(cell)
    return {
        "data set": cell.dataset or row.dataset,
        SUBSET: row.subset,
        "statistic": STATISTICS[row.statistic],
        "proxy": row.proxy,
        "ours": compact(decimal(cell.ours)),
        "published": compact(decimal(row.value)),
        "difference": signed,
        "95 %": compact(interval),
        "n": count(cell.n) if cell.n else "–",
        RUN: str(runs.index(run) + 1) if run in runs else "–",
        "verdict": cell.verdict + marks,
    }


def _remarks(found: Sequence[Cell]) -> list[str]:
    """What is remarked on cells, each once; their numbers are their places."""
    return list(dict.fromkeys(text for cell in found for text in cell.remarks))


def _runs(found: Sequence[Cell]) -> list[str]:
    """The runs that scores are from, each once; their numbers are their places."""
    return list(dict.fromkeys(run for cell in found if (run := _run(cell))))


def _run(cell: Cell) -> str:
    """Files and making of the scores of a cell; empty for counts."""
    return ": ".join(text for text in (", ".join(cell.files), cell.made) if text and cell.made)


def tally(found: Sequence[Cell]) -> str:
    """How many cells have which verdict, in words."""
    kinds = Counter(cell.verdict.partition(" because")[0] for cell in found)
    return ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())


def notes(found: Sequence[Cell], lacking: Sequence[Missing]) -> Iterator[str]:
    """What has to be said beside the cells: counts, remarks, runs, sources, and what lacks."""
    yield f"{len(found)} cells: {tally(found)}"
    yield RULE
    for number, remark in enumerate(_remarks(found), 1):
        yield f"[{number}] {remark}"
    kinds = dict.fromkeys((cell.published.subset, cell.published.failures) for cell in found)
    for subset, failures in kinds:
        yield f"architectures: subset {subset}, failures {failures}"
    runs = _runs(found)
    for number, run in enumerate(runs, 1):
        yield f"run {number}: {run}" if len(runs) > 1 else f"our scores: {run}"
    if any(cell.dataset.endswith("-standin") for cell in found):
        yield (
            "a stand-in has the image shape and the outputs of ImageNet16-120, and images of "
            "CIFAR-100; measures that see no image are compared all the same"
        )
    for source in dict.fromkeys(cell.published.source for cell in found):
        yield f"source: {source}"
    for need in lacking:
        yield f"still to score: {need.command}"


def markdown(
    table: str, command: str, found: Sequence[Cell], lacking: Sequence[Missing]
) -> Iterator[str]:
    """The lines of a report."""
    yield f"# {table}: published and ours"
    yield ""
    yield f"Written by `{command}`."
    yield ""
    header = columns(found)
    yield f"| {' | '.join(header)} |"
    yield f"| {' | '.join('---:' if name in NUMBERS else '---' for name in header)} |"
    for texts in lines(found):
        yield f"| {' | '.join(texts)} |"
    yield ""
    for note in notes(found, lacking):
        yield f"- {note}"
