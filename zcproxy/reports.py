"""A folder that reports how well proxies predict accuracy: Markdown, CSV and pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd

from zcproxy.errors import InputError
from zcproxy.report_text import Source, accuracy_label, best_first, readme

__all__ = ["Source", "write_report"]

Progress = Callable[[int, int], None]


def write_report(
    folder: str | Path,
    scores: pd.DataFrame,
    accuracies: pd.Series[float],
    proxies: Sequence[str] | None = None,
    source: Source | None = None,
    *,
    baseline: str | None = "live_params",
    failures: str = "omit",
    resamples: int = 1000,
    seed: int = 0,
    top: float = 0.1,
    ks: Sequence[int] = (10, 100),
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Write README.md, agreement.csv, correlations.csv and three pictures (PNG and SVG).

    `scores` and `accuracies` are as for `analysis.agreement_table`, whose table comes back and
    whose settings the other arguments are. The folder is made; files of these names in it are
    replaced. The same input gives the same bytes. `progress(done, total)` counts steps.

    Raises InputError as `agreement_table` does, and where the folder cannot be written.
    """
    from zcproxy.analysis import agreement_table, align, proxy_correlations

    place, told = Path(folder), source or Source()
    steps = Steps(progress)
    with filled(place):
        table = agreement_table(
            scores, accuracies, proxies, baseline, failures, resamples, seed, top, ks, steps.part
        )
        values, truth = align(scores, accuracies)
        correlations = proxy_correlations(values, list(table["proxy"]))
        label = accuracy_label(str(truth.name), told.accuracy)
        try:
            write(table, place / "agreement.csv", index=False)
            write(correlations, place / "correlations.csv", index_label="proxy")
            draw(place, values, truth, table, correlations, label, steps)
            text = "\n".join(readme(values, scores, table, told, label))
            (place / "README.md").write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{place} cannot be written: {error.strerror or error}") from error
    return table


def write(frame: pd.DataFrame, path: Path, **options: Any) -> None:
    """A frame as CSV, the same bytes on every system."""
    frame.to_csv(path, lineterminator="\n", **options)


class Steps:
    """Progress of the table, then of three pictures, as one count."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.done, self.total = progress, 0, 0

    def part(self, done: int, total: int) -> None:
        """The table has `done` of `total` rows."""
        self.done, self.total = done, total + 3
        if self.progress is not None:
            self.progress(self.done, self.total)

    def step(self) -> None:
        """One more picture is drawn."""
        self.part(self.done + 1, self.total - 3)


def made(folder: Path) -> Path:
    """The folder, created and found writable before anything is computed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be created: {error.strerror or error}") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} cannot be written; choose another folder")
    return folder


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """The folder is `made`; if nothing comes into it, those that were new are gone again."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    made(folder)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # something is in it: it stays
            for path in new:
                path.rmdir()
        raise


def draw(
    place: Path,
    values: pd.DataFrame,
    truth: pd.Series[float],
    table: pd.DataFrame,
    correlations: pd.DataFrame,
    label: str,
    steps: Steps,
) -> None:
    """The three pictures."""
    from zcproxy import plots

    ordered = best_first(table)
    plots.save(plots.agreement_dots(ordered, label), place / "agreement")
    steps.step()
    plots.save(plots.score_panels(values, truth, ordered, f"{label} (%)"), place / "scores")
    steps.step()
    plots.save(plots.heat_map(correlations), place / "correlations")
    steps.step()
