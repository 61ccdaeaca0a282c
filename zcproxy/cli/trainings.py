"""Progress of trainings on standard error: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from zcproxy.cli.progress import duration

if TYPE_CHECKING:
    from zcproxy.runs.telling import Progress as State

__all__ = ["trainings"]

LINE_EVERY = 50
"""Trainings between lines of progress where standard error is no terminal."""


@contextmanager
def trainings(every: int = LINE_EVERY) -> Iterator[Callable[[State], None]]:
    """A callback of states: a bar on a terminal, elsewhere a line every so many trainings."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(every)
        return
    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.fields[state]}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task: Any = bar.add_task("", total=None, state="starting workers")

        def show(state: State) -> None:
            bar.update(task, completed=state.done, total=state.total, state=_words(state))

        yield show


def _lines(every: int) -> Callable[[State], None]:
    """Prints the first and the last state, and some between them."""
    due = 0

    def show(state: State) -> None:
        nonlocal due
        if state.done >= due or state.done == state.total:
            due = state.done + every
            typer.echo(_words(state), err=True)

    return show


def _words(state: State) -> str:

    left = "" if state.remaining is None else f", {duration(state.remaining)} left"
    return f"{state.done:,}/{state.total:,} trainings{left}"
