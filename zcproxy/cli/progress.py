"""Progress on standard error: a bar where somebody watches a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

__all__ = ["LINE_EVERY", "Lines", "bar", "duration"]

LINE_EVERY = 30.0
"""Seconds between lines of progress where standard error is no terminal."""


class Lines:
    """Prints a line every `LINE_EVERY` seconds, and the last one if any came before it.

    With `at_once` the first line does not wait; without, what is done sooner prints nothing.
    """

    def __init__(self, at_once: bool = False) -> None:
        self._next = time.monotonic() + (0.0 if at_once else LINE_EVERY)
        self._told = False

    def __call__(self, text: str, last: bool = False) -> None:
        now = time.monotonic()
        if now >= self._next or (last and self._told):
            self._next, self._told = now + LINE_EVERY, True
            typer.echo(text, err=True)


@contextmanager
def bar(
    title: str,
    amount: ProgressColumn | None = None,
    words: Callable[[int], str] = "{:,}".format,
) -> Iterator[Callable[[int, int], None]]:
    """A callback `(done, total)` that draws the bar, gone afterwards, or prints the lines.

    `amount` is the column that counts, `words` a number as the lines write it; a total of 0 is
    unknown.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        tell = Lines()

        def line(done: int, total: int) -> None:
            share = f"{words(done)}/{words(total)}" if total else words(done)
            tell(f"{title}: {share}", last=done == total)

        yield line
        return
    columns = (TextColumn(title), BarColumn(), amount or MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total or None)

        yield show


def duration(seconds: float) -> str:
    """Seconds in words, such as `45 s`, `12 min` or `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
