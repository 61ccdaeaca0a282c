"""The file that says why ours differs has every difference, with the number of today's scores."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from zcproxy import tables
from zcproxy.datasets.catalogue import stands_for
from zcproxy.numerals import compact
from zcproxy.reproduction import cells, joined, names, published
from zcproxy.store import read_scores

ROOT = Path(__file__).parents[2]


def test_every_difference_is_listed_with_its_number(shared_data) -> None:
    paths = sorted((ROOT / "data" / "scores").glob("nasbench201-*.parquet"))
    told = ROOT / "reports" / "nasbench201-cifar10" / "differences.md"
    if not paths or not told.is_file():
        pytest.skip("committed scores and reports are not part of a distribution")
    sections = re.split(r"^## ", told.read_text(encoding="utf-8"), flags=re.M)
    points = {
        table: [p for s in sections if f"`{table}`" in s for p in re.split(r"^- ", s, flags=re.M)]
        for table in names()
    }
    material = joined([(path.name, read_scores(path)) for path in paths])
    there = ("spearman", "kendall", "top")
    scored = {stands_for(str(run.run["dataset"])) for run in material}
    rows = [row for table in names() for row in published(table) if row.statistic in there]
    wanted = [row for row in rows if row.dataset in scored and not math.isnan(row.value)]
    found = cells(wanted, material, tables.load("nasbench201"), None, resamples=0)
    differing = [cell for cell in found if cell.differs]
    assert differing
    for cell in differing:
        row, number = cell.published, compact(f"{cell.difference:+.3f}")
        where = (row.table, row.dataset, row.statistic, row.proxy, number)
        assert any(row.proxy in p and number in p for p in points[row.table]), where
