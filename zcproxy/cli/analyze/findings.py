"""What an analysis found, and the three ways it is told: on the screen, as data, as a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from zcproxy.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "HALVES",
    "Finding",
    "Picture",
    "Section",
    "check_format",
    "matrix",
    "note",
    "tell",
    "widest",
]


@dataclass(frozen=True, eq=False)
class Section:
    """A table as people read it.

    `frame` names the table of the finding that has all digits and intervals of what is shown.
    """

    title: str
    frame: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that is drawn only where a folder is written."""

    name: str
    caption: str
    draw: Callable[[], Figure]


@dataclass(frozen=True, eq=False)
class Finding:
    """Everything an analysis found.

    `facts` say what was compared and how; `missing` why numbers are missing; `tables` hold every
    number by name, the main one first.
    """

    title: str
    facts: list[str]
    tables: dict[str, pd.DataFrame]
    sections: list[Section]
    missing: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)


def check_format(as_json: bool, as_csv: bool) -> None:
    """Raise InputError where both machine formats are asked for."""
    if as_json and as_csv:
        raise InputError("give either --json or --csv")


def tell(finding: Finding, as_json: bool, as_csv: bool, out: Path | None) -> None:
    """Print the finding, and write the folder where one is asked for."""
    if out is not None:
        write_folder(finding, out)
    if as_csv:
        typer.echo(next(iter(finding.tables.values())).to_csv(index=False), nl=False)
    elif as_json:
        typer.echo(json.dumps(as_data(finding)))
    else:
        show(finding)
    if out is not None:
        typer.echo(f"{out / 'README.md'}", err=as_json or as_csv)


def as_data(finding: Finding) -> dict[str, Any]:
    """The finding as plain data, every number with all its digits."""
    from zcproxy.cli.machine import records

    tables = {name: records(frame) for name, frame in finding.tables.items()}
    return {
        "title": finding.title,
        "facts": finding.facts,
        "missing": finding.missing,
        "tables": tables,
    }


def show(finding: Finding) -> None:
    """The sections as tables, then what they were made from."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.width = max(console.width, 120)  # a cut number would be worse than a wrapped line
    console.print(finding.title, style="bold", markup=False)
    for section in finding.sections:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        frame = 2 * len(section.header) + 1  # between columns and around them
        lengths = widths(section, console.width - frame)
        console.width = max(console.width, sum(lengths) + frame)
        for name, width in zip(section.header, lengths, strict=True):
            table.add_column(name, overflow="fold", width=width)
            table.columns[-1].justify = "right" if len(table.columns) > 1 else "left"
        for row in section.rows:
            table.add_row(*row)
        console.print()
        console.print(section.title, markup=False)
        console.print(table, markup=False)
        if section.note:
            console.print(section.note, style="dim", markup=False)
    console.print()
    for line in (*finding.facts, *finding.missing):
        console.print(line, style="dim", markup=False)


def widths(section: Section, most: int) -> list[int]:
    """How wide columns are, in all at most `most`, unless numbers would be cut.

    Names of over `NAME` letters and heads of columns are folded where there is no room.
    """
    cells = list(zip(section.header, *section.rows, strict=True))
    natural = [max(map(len, column)) for column in cells]
    least = [max(map(len, column[1:]), default=1) for column in cells]
    least[0] = min(least[0], NAME)
    while sum(least) < most and least != natural:
        folded = [i for i in range(1, len(least)) if least[i] < natural[i]] or [0]
        least[max(folded, key=lambda i: natural[i] / max(least[i], 1))] += 1
    return [max(width, 1) for width in least]


def write_folder(finding: Finding, out: Path) -> None:
    """README.md, every table as CSV, every picture as PNG and SVG."""
    from zcproxy import plots, reports
    from zcproxy.cli.progress import bar
    from zcproxy.cli.typed import without_folders

    with reports.filled(out), bar("writing") as progress:
        try:
            for name, frame in finding.tables.items():
                reports.write(frame, out / f"{name}.csv", index=False)
            for done, picture in enumerate(finding.pictures, start=1):
                plots.save(picture.draw(), out / picture.name)
                progress(done, len(finding.pictures))
            text = without_folders("\n".join(readme(finding)))
            (out / "README.md").write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{out} cannot be written: {error.strerror or error}") from error


def readme(finding: Finding) -> Iterator[str]:
    """The lines of README.md."""
    from zcproxy.cli.typed import command_line
    from zcproxy.report_text import markdown

    yield from (f"# {finding.title}", "")
    yield from (f"- {fact}" for fact in finding.facts)
    yield ""
    for picture in finding.pictures:
        yield from (f"![{picture.caption}]({picture.name}.png)", "", picture.caption, "")
    for section in finding.sections:
        yield from (f"## {section.title}", "")
        yield from markdown(section.header, section.rows)
        if section.note:
            yield section.note
        yield from (f"All digits and intervals: `{section.frame}.csv`.", "")
    if finding.missing:
        yield from ("## Missing numbers", "")
        yield from (f"- {line}" for line in finding.missing)
        yield ""
    yield from ("## Made by", "", "```sh", command_line(), "```", "")


def matrix(
    title: str,
    name: str,
    frame: pd.DataFrame,
    rows: str,
    columns: str,
    value: str,
    digits: int = 3,
    note: str = "",
    corner: str | None = None,
    bracket: str = "",
) -> Section:
    """A long table as rows by columns: with intervals where up to five columns leave the room.

    Otherwise the note says how wide the widest interval is. `bracket` is what stands in brackets
    where that is no 95 % interval of the number before; column heads say so.
    """
    from zcproxy.numerals import compact, decimal, estimate

    across = list(dict.fromkeys(frame[columns]))
    down = list(dict.fromkeys(frame[rows]))
    wide = len(across) > 5
    cells = {
        (row[rows], row[columns]): decimal(row[value], digits)
        if wide
        else estimate(row[value], row[f"{value}_low"], row[f"{value}_high"], digits)
        for _, row in frame.iterrows()
    }
    lines = [[str(r), *(compact(cells.get((r, c), "–")) for c in across)] for r in down]
    bracketed = any("[" in cell for line in lines for cell in line[1:])
    reach = widest(frame, value, digits) if wide and not bracket else ""
    explained = RANGES.get(bracket, "") if bracketed else ""
    told = " ".join(part for part in (note, reach, explained) if part)
    heads = [f"{one} [{bracket}]" if bracket and bracketed else str(one) for one in across]
    return Section(title, name, [corner or rows, *heads], lines, told)


HALVES = "halves"
NAME = 20
"""The width up to which a name is not folded on the screen."""

RANGES = {
    HALVES: ("[halves]: what 95 % of random halves give, no interval around the number before it.")
}
"""What column heads call a range that is no interval of the number before it, and its meaning."""


def note(frame: pd.DataFrame, value: str | None = None, digits: int = 2) -> str:
    """What stands above a picture of many numbers: how many architectures, how wide intervals.

    Of numbers without a name `value` there is no interval.
    """
    from zcproxy.numerals import count

    sizes = sorted(set(frame["n"].dropna()))
    n = " to ".join(dict.fromkeys(count(size) for size in (sizes[0], sizes[-1]))) if sizes else "0"
    return f"n = {n}" if value is None else f"n = {n}. {widest(frame, value, digits)}"


def widest(frame: pd.DataFrame, value: str, digits: int = 3) -> str:
    """How far the 95 % intervals of a column reach at most, in words; empty where there is none."""
    from zcproxy.numerals import compact, decimal, missing

    above = (frame[f"{value}_high"] - frame[value]).max()
    below = (frame[value] - frame[f"{value}_low"]).max()
    ends = [float(end) for end in (above, below) if not missing(end)]
    if not ends:
        return "No intervals."
    return f"95 % intervals reach at most {compact(decimal(max(ends), digits))} to either side."
