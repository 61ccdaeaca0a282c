"""A run as the commands start it: where it is kept, how far it is, and what Ctrl-C leaves."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from zcproxy.cli.progress import Lines, duration
from zcproxy.errors import InterruptedRun, StoreError

if TYPE_CHECKING:
    import pandas as pd

    from zcproxy.configuration import Configuration
    from zcproxy.runs import Progress, Setup, Summary

__all__ = [
    "cores",
    "default_store",
    "describe",
    "run_kept",
    "scores_of",
    "with_adopted",
    "write_kept",
]

AGAIN = "the same command"
"""What goes on with a run that was stopped."""


def default_store(configuration: Configuration) -> Path:
    """The file a run is kept in unless told otherwise: equal settings give equal names."""
    dataset = Path(configuration.dataset).stem
    name = f"{configuration.space}-{dataset}-{configuration.protocol}-{configuration.key[:8]}"
    return Path(f"zcproxy-{name}.sqlite")


def cores() -> int:
    """Processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_kept(
    setup: Setup,
    architectures: Sequence[str],
    proxies: Sequence[str],
    store: Path,
    workers: int | None,
    retry: bool = False,
    ray: str | None = None,
    device: str = "cpu",
    stack: int | None = None,
    limit: float | None = None,
    again: str = AGAIN,
    rescore: Sequence[str] = (),
    forgotten: Callable[[], None] = lambda: None,
) -> Summary:
    """Run with progress on standard error; Ctrl-C says what is kept and exits 130.

    `again` is what goes on from there, in words.
    """
    from zcproxy.runs import run

    last: list[Progress] = []
    try:
        with _shown() as show, redirect_stdout(sys.stderr):  # what libraries print is no result

            def progress(state: Progress) -> None:
                last[:] = [state]
                show(state)

            return run(
                setup,
                architectures,
                proxies,
                store,
                workers=workers,
                ray=ray,
                device=device,
                stack=stack,
                retry=retry,
                rescore=rescore,
                forgotten=forgotten,
                limit=limit,
                progress=progress,
            )
    except KeyboardInterrupt:
        kept = f"{last[0].done:,} of {last[0].total:,} networks are" if last else "all so far is"
        raise InterruptedRun(
            f"stopped: {kept} kept in {store}; {again} goes on from there"
        ) from None


def with_adopted(
    store: Path,
    configuration: Configuration,
    there: pd.DataFrame,
    file: Path,
    architectures: Sequence[str],
    proxies: Sequence[str],
) -> tuple[list[str], list[str]]:
    """Take what a file of scores has into the store; give what the file is to hold afterwards.

    Architectures and proxies of both, in the order asked for where that has all of the file's.
    Where both have a score, the store's stays.

    Raises: StoreError where the file has other columns, which would be lost.
    """
    from zcproxy import spaces
    from zcproxy.store import Store
    from zcproxy.store.adopting import adopt, tabled
    from zcproxy.store.frame import check_kept

    rows, columns = (
        list(new) if set(old) <= set(new) else list(dict.fromkeys([*old, *new]))
        for old, new in zip(tabled(there), (architectures, proxies), strict=True)
    )
    check_kept(file, there, rows, columns)
    with Store.open(store, configuration) as opened:
        adopt(opened, spaces.get(configuration.space), there, file.name)
    return rows, columns


def scores_of(store: Path, architectures: Sequence[str], proxies: Sequence[str]) -> pd.DataFrame:
    """The scores of these architectures in a store, as `store.export` describes them."""
    from zcproxy import spaces
    from zcproxy.store import Store, export

    with Store.read(store) as opened:
        space = spaces.get(opened.configuration.space)
        return export(opened, space, architectures, proxies)


def write_kept(
    store: Path, architectures: Sequence[str], proxies: Sequence[str], out: Path, again: str = AGAIN
) -> None:
    """Write those scores to a file; where that fails, say that nothing is lost."""
    from zcproxy.store import write_scores

    frame = scores_of(store, architectures, proxies)
    try:
        write_scores(frame, out)
    except StoreError as error:
        raise StoreError(
            f"{error}; all scores are kept in {store}: {again} with another --out writes them "
            "without scoring again"
        ) from error


@contextmanager
def _shown() -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal; elsewhere a line now and then, the first and the last among them."""
    console = Console(stderr=True)
    if not console.is_terminal:
        lines = Lines(at_once=True)
        yield lambda state: lines(describe(state), last=state.done == state.total)
        return
    columns = (TextColumn("scoring"), BarColumn(), TextColumn("{task.fields[state]}"))
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, state="starting workers")

        def show(state: Progress) -> None:
            bar.update(task, completed=state.done, total=state.total, state=describe(state))

        yield show


def describe(state: Progress) -> str:
    """A state of progress in words, such as `12/50 networks, 1.31 per second, 29 s left`."""
    parts = [f"{state.done:,}/{state.total:,} networks"]
    if state.rate:
        parts.append(f"{state.rate:.2f} per second")
    if state.remaining is not None:
        parts.append(f"{duration(state.remaining)} left")
    if state.failed:
        parts.append(f"{state.failed:,} scores failed")
    if state.place:
        parts.append(state.place)
    return ", ".join(parts)
