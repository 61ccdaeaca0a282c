"""One row per proxy: everything that says how well it predicts accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from zcproxy.analysis.agreement import Agreement, of_pairs
from zcproxy.analysis.alignment import align, score_columns, select_columns
from zcproxy.analysis.failures import Pairs, complete, pairs, policy
from zcproxy.analysis.lacking import Flags, not_known, not_scored
from zcproxy.analysis.partial import partial_spearman
from zcproxy.analysis.ranks import Floats, tied
from zcproxy.analysis.selection import best_share, overlap, regret, top_spearman
from zcproxy.errors import MeasureError

__all__ = ["agreement_table", "missing_in_words"]

Progress = Callable[[int, int], None]

PART = 0.01
"""The share of architectures not scored yet from which on a proxy has a sample of them."""


@dataclass(frozen=True)
class Settings:
    """What besides scores and accuracies decides the numbers of the table."""

    baseline: str | None
    failures: str
    resamples: int
    seed: int
    top: float
    ks: list[int]


@dataclass(frozen=True)
class Without:
    """Where a proxy has no value for a reason outside the network: all such rows, and those of
    them that no run has come to yet."""

    known: Flags
    scored: Flags

    @property
    def sample(self) -> bool:
        """Whether only a part of the architectures is scored."""
        return bool(self.scored.mean() > PART)


def agreement_table(
    scores: pd.DataFrame,
    accuracies: pd.Series[float] | pd.DataFrame,
    proxies: Sequence[str] | None = None,
    baseline: str | None = "live_params",
    failures: str = "omit",
    resamples: int = 1000,
    seed: int = 0,
    top: float = 0.1,
    ks: Sequence[int] = (10,),
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Agreement of every proxy with accuracy, signed, one row per proxy in the order given.

    `scores` has the column `architecture` and one float column per proxy, nan for a failure;
    `accuracies` is a series indexed by architecture, or a frame of `architecture` and one more
    column, in percent. Architectures in only one of the two are left out. The row of `baseline`
    is added where `proxies` lacks it; None means no baseline. For `failures` see
    `analysis.policy`, which looks at the kinds in `<proxy>_failure`, where `scores` has them; for
    `top` and `ks` see `analysis.top_spearman`, `overlap` and `regret`.
    `progress(done, total)` is called after every row.

    Columns: proxy; spearman, spearman_low, spearman_high; kendall, kendall_low, kendall_high (95 %
    bootstrap intervals); n, ties, failures (without those that are not scored yet); partial
    (Spearman given the baseline); top10 (for top = 0.1: among the best tenth by accuracy of all
    architectures compared, whether a proxy has a value there or not) and top10_n (how many of those
    have one); overlap@k, regret@k for every k, where more than a sample is scored; reason.
    A number that does not exist is <NA>, never nan, and `reason` says why (that of the baseline
    given itself needs none). `attrs` hold `accuracy`, `architectures` (how many have scores and
    accuracy), the settings, and `missing`: every reason once, as a dict of `proxies`, `columns` and
    `reason`.

    Raises InputError for an unknown proxy or policy, repeated architectures, or none in common.
    """
    settings = Settings(baseline, policy(failures), resamples, seed, top, list(ks))
    stated, truth = align(scores, accuracies)
    chosen = score_columns(scores) if proxies is None else list(proxies)
    values = select_columns(stated, chosen if baseline is None else [*chosen, baseline])
    rows: list[Cells] = []
    for name in values.columns:
        without = Without(not_known(stated, str(name)), not_scored(stated, str(name)))
        rows.append(row(str(name), values, truth, without, settings))
        if progress is not None:
            progress(len(rows), len(values.columns))
    result = typed(pd.DataFrame([cells.finished() for cells in rows], dtype=object))
    result.attrs.update(accuracy=truth.name, architectures=len(values), **asdict(settings))
    result.attrs["missing"] = missing(rows)
    return result


def missing_in_words(table: pd.DataFrame, mark: str = "") -> list[str]:
    """Why numbers of an agreement table are missing, one line per reason and what lacks for it.

    `mark` is set around names. The ends of an interval are not named beside its coefficient.
    """
    lines = []
    for entry in table.attrs["missing"]:
        names = [f"{mark}{name}{mark}" for name in entry["proxies"]]
        who = "all proxies" if 1 < len(names) == len(table) else ", ".join(names)
        columns = [name for name in entry["columns"] if not name.endswith(("_low", "_high"))]
        lines.append(f"{who}: {', '.join(columns)}: {entry['reason']}")
    return lines


COEFFICIENTS = (
    "spearman",
    "spearman_low",
    "spearman_high",
    "kendall",
    "kendall_low",
    "kendall_high",
)
COUNTS = ("n", "ties", "failures")
NO_INTERVAL = (None, None)


class Cells:
    """The numbers of one row, and for each that does not exist the reason."""

    def __init__(self, proxy: str) -> None:
        self.values: dict[str, float | str | None] = {"proxy": proxy}
        self.reasons: dict[str, list[str]] = {}

    def add(self, names: Sequence[str], compute: Callable[[], Sequence[float | None]]) -> None:
        """Fill the named columns, or note why they stay empty."""
        try:
            self.values |= dict(zip(names, compute(), strict=True))
        except MeasureError as error:
            self.values |= dict.fromkeys(names)
            self.reasons.setdefault(str(error), []).extend(names)

    def finished(self) -> dict[str, float | str | None]:
        """All columns, the reasons last."""
        texts = [f"{', '.join(names)}: {reason}" for reason, names in self.reasons.items()]
        return self.values | {"reason": "; ".join(texts) or None}


def missing(rows: Sequence[Cells]) -> list[dict[str, Any]]:
    """Every reason with the columns that it leaves empty, and the proxies for which it does."""
    found: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for cells in rows:
        for reason, names in cells.reasons.items():
            found.setdefault((tuple(names), reason), []).append(str(cells.values["proxy"]))
    return [
        {"proxies": proxies, "columns": list(names), "reason": reason}
        for (names, reason), proxies in found.items()
    ]


def row(
    name: str, values: pd.DataFrame, truth: pd.Series[float], without: Without, settings: Settings
) -> Cells:
    """Everything about the proxy in column `name` of `values`."""
    compared = compare(values, name, truth, without, settings.failures)
    x, y = compared.scores, compared.accuracies
    cells = Cells(name)
    cells.add(COEFFICIENTS, lambda: flat(of_pairs(compared, settings.resamples, settings.seed)))
    cells.add(COUNTS, lambda: [len(x), tied(x[~compared.failed]), compared.failures])
    if settings.baseline is not None:
        given = values[settings.baseline].to_numpy()[compared.kept]
        own = settings.baseline == name
        cells.add(["partial"], lambda: [None if own else partial_given(x, y, given)])
    label = f"top{100 * settings.top:g}"
    everyone = among(truth, compared, settings.failures)
    cells.add([label], lambda: [top_spearman(*of_all(everyone, compared, truth), settings.top)])
    best = best_share(truth[everyone], settings.top)
    cells.values[f"{label}_n"] = int((best & values[name].notna().to_numpy()[everyone]).sum())
    whole = settings.failures == "common" or not without.sample
    for k in settings.ks:
        cells.add([f"overlap@{k}"], partial(lambda k: [selected(overlap, x, y, k, whole)], k))
        cells.add([f"regret@{k}"], partial(lambda k: [selected(regret, x, y, k, whole)], k))
    return cells


def selected(
    measure: Callable[[Floats, Floats, int], float], x: Floats, y: Floats, k: int, whole: bool
) -> float:
    """What a selection of k gives, if it is one from all architectures."""
    if not whole:
        raise MeasureError(
            "not_applicable",
            "only a sample is scored, from which k are more than from all (the policy common "
            "compares proxies on it)",
        )
    return measure(x, y, k)


def compare(
    values: pd.DataFrame, name: str, truth: pd.Series[float], without: Without, failures: str
) -> Pairs:
    """The pairs of one proxy; its failures are counted before the common subset is taken.

    What is not scored has not failed.
    """
    failed = int((values[name].isna() & ~without.scored).sum())
    if failures == "common":
        truth = truth.where(complete(values))
    found = pairs(values[name].to_numpy(), truth.to_numpy(), failures, without.known)
    return replace(found, failures=failed)


def among(truth: pd.Series[float], compared: Pairs, failures: str) -> Flags:
    """The architectures whose best are the top: the same for all proxies, with or without value."""
    return compared.kept if failures == "common" else truth.notna().to_numpy(dtype=bool)


def of_all(everyone: Flags, compared: Pairs, truth: pd.Series[float]) -> tuple[Floats, Floats]:
    """Scores and accuracies of `everyone`, nan for a failure that is left out."""
    scores = np.full(len(truth), np.nan, dtype=np.float64)
    scores[compared.kept] = compared.scores
    return scores[everyone], np.asarray(truth[everyone], dtype=np.float64)


def flat(found: Agreement) -> list[float | None]:
    """Each coefficient followed by the two ends of its interval, None without resamples."""
    rho, tau = found.spearman_interval, found.kendall_interval
    return [found.spearman, *(rho or NO_INTERVAL), found.kendall, *(tau or NO_INTERVAL)]


def partial_given(scores: Floats, accuracies: Floats, given: Floats) -> float:
    """Partial correlation over the architectures on which the baseline has a value too."""
    here = ~np.isnan(given)
    return partial_spearman(scores[here], accuracies[here], given[here])


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers as nullable columns, so that a missing one is <NA>."""
    numbers = {name: "Float64" for name in table.columns if name not in ("proxy", "reason")}
    reasons = pd.Series(table["reason"].tolist(), dtype=object)
    counts = [*COUNTS, *(name for name in table.columns if str(name).endswith("_n"))]
    return table.astype(numbers | dict.fromkeys(counts, "Int64")).assign(reason=reasons)
