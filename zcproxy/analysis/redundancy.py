"""How many different things a set of proxies measures.

Everything is computed from one matrix: Spearman's correlations of all proxies over the
architectures where all of them have a value. Pairs over different architectures would make a
matrix that belongs to no data, and may have negative eigenvalues.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from zcproxy.analysis.alignment import select_columns
from zcproxy.analysis.failures import complete
from zcproxy.analysis.matrix import Progress, Rankings, ends, explained_share, interval
from zcproxy.analysis.ranks import Floats
from zcproxy.analysis.rows import framed, number, spread
from zcproxy.analysis.similarity import similarity_order
from zcproxy.analysis.table import Cells
from zcproxy.errors import InputError, MeasureError

__all__ = ["Redundancy", "effective_numbers", "redundancy"]


@dataclass(frozen=True, eq=False)
class Redundancy:
    """What `redundancy` finds: per proxy, per pair, and for the whole set.

    `correlations` is the square frame of the proxies that could be compared, in clustering order.
    """

    table: pd.DataFrame
    pairs: pd.DataFrame
    effective: pd.DataFrame
    correlations: pd.DataFrame


def effective_numbers(matrix: Floats) -> tuple[Floats, Floats]:
    """Effective numbers of variables of correlation matrices (..., p, p) without nan.

    With eigenvalues l_i and shares q_i = l_i / p: the participation ratio
    1 / sum_i q_i^2 = p^2 / sum_ij r_ij^2, and the effective rank exp(-sum_i q_i ln q_i). Both are
    p for uncorrelated variables, 1 for equal ones, and the first is never above the second.
    Sources: Bretherton et al., Journal of Climate 12 (1999), equation 5; Roy and Vetterli,
    EUSIPCO 2007.
    """
    shares = np.clip(np.linalg.eigvalsh(matrix), 0.0, None)
    shares /= shares.sum(axis=-1, keepdims=True)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    entropy = -(shares * logs).sum(axis=-1)
    return 1 / (shares**2).sum(axis=-1), np.exp(entropy)


def redundancy(
    scores: pd.DataFrame,
    proxies: Sequence[str],
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Redundancy:
    """Which proxies say the same, with 95 % bootstrap intervals over architectures.

    `scores` has one float column per proxy, nan for a failure; compared are the rows where all
    proxies that vary have a value. `progress(done, total)` counts resamples.

    `table`: proxy, place (in the clustering order), nearest (the proxy of the largest absolute
    correlation), spearman (with it, signed, with _low and _high), explained (R^2 of its ranks
    fitted on the ranks of all other proxies, with interval), failures (rows without a value), n,
    reason. `pairs`: proxy, other, spearman with interval, n. `effective`: measure, value with
    interval, proxies (how many), n.

    Raises InputError for an unknown proxy or fewer than two, MeasureError('degenerate') where fewer
    than two can be compared on two or more architectures.
    """
    values = select_columns(scores, proxies)
    if len(values.columns) < 2:
        raise InputError("redundancy is one of several proxies; name two or more")
    failures = {str(name): int(values[name].isna().sum()) for name in values.columns}
    flat = [str(name) for name in values.columns if values[name].nunique() < 2]
    usable = values.drop(columns=flat)
    usable = usable[complete(usable)]
    flat += [str(name) for name in usable.columns if usable[name].nunique() < 2]
    usable = usable.drop(columns=flat, errors="ignore")
    names = [str(name) for name in usable.columns]
    if len(names) < 2 or len(usable) < 2:
        raise MeasureError(
            "degenerate",
            f"{len(names)} of {len(values.columns)} proxies order the {len(usable):,} "
            "architectures where all have a value; choose others with --proxies",
        )
    rankings = Rankings([usable[name].to_numpy() for name in names])
    found, drawn = rankings.matrix(), rankings.resampled(resamples, seed, progress)
    order = similarity_order(pd.DataFrame(found, index=names, columns=names))
    correlations = pd.DataFrame(found, index=names, columns=names).loc[order, order]
    rows = [
        one_proxy(names, i, found, drawn, rankings.n, order.index(names[i]) + 1)
        for i in range(len(names))
    ]
    rows += [left_out(name) for name in flat]
    for row in rows:
        row.values |= {"failures": failures[str(row.values["proxy"])], "n": len(usable)}
    return Redundancy(
        framed(rows, ("proxy", "nearest"), ("place", "failures", "n")),
        all_pairs(names, found, drawn, len(usable)),
        effective_table(found, drawn, len(usable)),
        correlations,
    )


def one_proxy(names: list[str], i: int, found: Floats, drawn: Floats, n: int, place: int) -> Cells:
    """The row of a proxy: its nearest one, and what all others explain."""
    others = [j for j in range(len(names)) if j != i]
    nearest = max(others, key=lambda j: abs(found[i, j]))
    cells = Cells(names[i])
    cells.values |= {"place": place, "nearest": names[nearest]}
    cells.values |= dict(
        zip(
            ("spearman", "spearman_low", "spearman_high"),
            spread(float(found[i, nearest]), interval(drawn[:, i, nearest])),
            strict=True,
        )
    )

    def explained() -> list[float | None]:
        if n <= len(names) + 1:
            raise MeasureError(
                "not_applicable",
                f"a fit on {len(others)} proxies needs more than {len(names) + 1} architectures",
            )
        share = explained_share(drawn, i, others)
        return spread(number(explained_share(found, i, others)), interval(share))

    cells.add(["explained", "explained_low", "explained_high"], explained)
    return cells


def left_out(name: str) -> Cells:
    """The row of a proxy that orders nothing."""
    cells = Cells(name)
    cells.values |= {"place": None, "nearest": None}

    def refuse() -> list[float | None]:
        raise MeasureError("degenerate", "no two different values among the compared architectures")

    cells.add(["spearman", "spearman_low", "spearman_high"], refuse)
    cells.add(["explained", "explained_low", "explained_high"], refuse)
    return cells


def all_pairs(names: list[str], found: Floats, drawn: Floats, n: int) -> pd.DataFrame:
    """One row per pair of proxies."""
    low, high = ends(drawn)
    rows = []
    for i, name in enumerate(names):
        for j in range(i + 1, len(names)):
            cells = Cells(name)
            cells.values |= {
                "other": names[j],
                "spearman": number(found[i, j]),
                "spearman_low": number(low[i, j]),
                "spearman_high": number(high[i, j]),
                "n": n,
            }
            rows.append(cells)
    return framed(rows, ("proxy", "other"))


def effective_table(found: Floats, drawn: Floats, n: int) -> pd.DataFrame:
    """The effective numbers of the whole set."""
    whole = [drawn[i] for i in range(len(drawn)) if not np.isnan(drawn[i]).any()]
    stack = np.array(whole).reshape(-1, *found.shape)
    values, reach = effective_numbers(found), effective_numbers(stack)
    rows = [
        {
            "measure": name,
            **dict(
                zip(
                    ("value", "value_low", "value_high"),
                    spread(float(value), interval(many)),
                    strict=True,
                )
            ),
            "proxies": len(found),
            "n": n,
        }
        for name, value, many in zip(("participation", "entropy"), values, reach, strict=True)
    ]
    return pd.DataFrame(rows).astype(
        {"value": "Float64", "value_low": "Float64", "value_high": "Float64"}
    )
