"""The published values, from the one file that has them with their sources: `published.csv`.

Columns: `table`; `dataset`; `subset` of the architectures; `failures`, how those without a value
count; `statistic` (spearman, kendall, top: Spearman among the best tenth by accuracy, concordance
of pairs, or agreement with released `scores`); `proxy`, or a combination; `value`, empty where none
is published; `absolute`, 1 where they print absolute values; `accuracy`, the column they compare
with; `others`, columns that it may have been as well, where it is a guess; `images`, their batch
size, empty where it is that of the protocol named first; `protocols` of ours that give these
scores, the one to score with first (that on one batch the others give the same on connected
networks of the benchmark is tested), empty where we have none; `source`; `note`, what is a guess in
this comparison; `reason`, what is known of why ours differs.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from zcproxy.errors import unknown
from zcproxy.protocols import get

__all__ = ["Published", "names", "published"]

FILE = Path(__file__).with_name("published.csv")


@dataclass(frozen=True)
class Published:
    """One published number; `value` is nan where a table of ours has one that nobody published."""

    table: str
    dataset: str
    subset: str
    failures: str
    statistic: str
    proxy: str
    value: float
    absolute: bool
    accuracy: str
    others: tuple[str, ...]
    images: int | None
    protocols: tuple[str, ...]
    source: str
    note: str
    reason: str

    @property
    def batch_size(self) -> int | None:
        """The size of their batch; None where we have no protocol of theirs."""
        if self.images is not None or not self.protocols:
            return self.images
        return get(self.protocols[0]).batch_size


def names() -> list[str]:
    """Names of the tables, in the order of the file."""
    return list(dict.fromkeys(row.table for row in _rows()))


def published(table: str) -> list[Published]:
    """The numbers of a table, in its order; raises InputError for an unknown one."""
    if table not in names():
        raise unknown("published table", table, names(), "zcproxy reproduce --help tells of each")
    return [row for row in _rows() if row.table == table]


@cache
def _rows() -> tuple[Published, ...]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(_row(fields) for fields in csv.DictReader(file))


def _row(fields: dict[str, str]) -> Published:
    own = {
        "value": float(fields["value"]) if fields["value"] else math.nan,
        "absolute": fields["absolute"] == "1",
        "others": tuple(fields["others"].split()),
        "images": int(fields["images"]) if fields["images"] else None,
        "protocols": tuple(fields["protocols"].split()),
    }
    return Published(**{**fields, **own})  # type: ignore[arg-type]
