"""The data file of published numbers: complete, sourced, and what its fields may hold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zcproxy import protocols, spaces
from zcproxy.analysis import NAMED, POLICIES, Combination
from zcproxy.errors import InputError
from zcproxy.proxies import names as known
from zcproxy.reproduction import names, published
from zcproxy.tables.columns import Column

ROWS = [row for table in names() for row in published(table)]
LATER = {"epe_nas", "zen", "meco", "zico", "grad_sign", "vkdnw", "libra"}
"""Proxies of the tables that are files of their own, or none of ours."""


def test_the_tables() -> None:
    assert names() == ["abdelfattah2021", "nas_bench_suite_zero", "sota2025"]
    assert [len(published(name)) for name in names()] == [24, 103, 33]
    with pytest.raises(InputError, match="did you mean 'sota2025'"):
        published("sota2024")


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda r: f"{r.table}-{r.dataset}-{r.subset}-{r.statistic}-{r.proxy}"
)
def test_every_row_makes_sense(row) -> None:
    assert row.dataset in ("cifar10", "cifar100", "imagenet16-120")
    assert row.subset in ("all", "live")
    assert spaces.get("nasbench201").subset(row.subset)
    assert row.failures in POLICIES
    assert row.statistic in ("spearman", "kendall", "top", "concordance", "scores")
    assert math.isnan(row.value) or -1 <= row.value <= 1
    assert row.value >= 0 or not row.absolute
    assert row.proxy in NAMED or set(Combination.parse(row.proxy).members) <= {*known(), *LATER}
    assert set(row.protocols) <= set(protocols.names())
    assert bool(row.protocols) == (row.proxy != "libra")
    assert row.source
    if row.statistic != "scores":
        column = Column.parse(row.accuracy)
        assert column is not None
        assert (column.split, column.epochs, column.seed) == ("test", 200, None)
        assert column.dataset.removesuffix("-valid") == row.dataset
    for name in row.others:
        column = Column.parse(name)
        assert column is not None
        assert column.dataset.removesuffix("-valid") == row.dataset
    assert row.accuracy not in row.others
    assert row.note or not row.others  # a guess is told


def test_no_number_is_there_twice() -> None:
    keys = [(r.table, r.dataset, r.subset, r.statistic, r.proxy) for r in ROWS]
    assert len(set(keys)) == len(keys)


def test_some_numbers_by_heart() -> None:
    by_key = {(r.table, r.dataset, r.statistic, r.proxy): r.value for r in ROWS}  # the last subset
    assert by_key["abdelfattah2021", "cifar10", "spearman", "synflow"] == 0.737
    assert by_key["abdelfattah2021", "imagenet16-120", "spearman", "grasp"] == 0.549
    assert by_key["abdelfattah2021", "cifar100", "concordance", "vote"] == 0.832
    assert by_key["nas_bench_suite_zero", "cifar100", "spearman", "live_params"] == 0.794
    assert by_key["nas_bench_suite_zero", "imagenet16-120", "spearman", "live_convs"] == 0.762
    assert by_key["nas_bench_suite_zero", "cifar10", "spearman", "zen"] == 0.355
    assert by_key["nas_bench_suite_zero", "imagenet16-120", "top", "synflow"] == 0.43
    assert by_key["nas_bench_suite_zero", "cifar10", "kendall", "jacob_cov"] == 0.632
    assert by_key["nas_bench_suite_zero", "imagenet16-120", "spearman", "plain"] == -0.34
    assert by_key["sota2025", "imagenet16-120", "kendall", "vkdnw_agg"] == 0.743
    assert by_key["sota2025", "cifar100", "spearman", "az_nas"] == 0.9


def test_their_batch_sizes() -> None:
    sizes = {(r.table, r.proxy): r.batch_size for r in ROWS}
    assert sizes["nas_bench_suite_zero", "snip"] == 32
    assert sizes["abdelfattah2021", "snip"] == 64
    assert sizes["sota2025", "grad_sign"] == 128
    assert sizes["sota2025", "libra"] is None


def test_values_that_can_be_recomputed_from_the_released_scores(shared_data) -> None:
    """NAS-Bench-Suite-Zero's own scores against its own accuracies, by scipy."""
    import pandas as pd
    from scipy.stats import kendalltau, rankdata, spearmanr

    from zcproxy import tables

    theirs = pd.read_csv(shared_data / "nasbench201" / "reference_proxies_nbsz_release.csv.gz")
    accuracies = tables.load("nasbench201").set_index("architecture")
    everything = spaces.get("nasbench201").architectures()
    data = {"cifar10": "cifar10", "imagenet16-120": "ImageNet16-120"}
    checked = 0
    for row in published("nas_bench_suite_zero"):
        if row.subset != "live" or row.statistic == "scores" or math.isnan(row.value):
            continue
        scores = theirs[theirs["dataset"] == data[row.dataset]]
        truth = accuracies[row.accuracy].loc[[everything[i] for i in scores["index"]]].to_numpy()
        members = [{"jacob_cov": "jacov"}.get(p, p) for p in Combination.parse(row.proxy).proxies]
        ranks = [np.log(rankdata(scores[name])) for name in members]
        values = scores[members[0]].to_numpy() if len(members) == 1 else np.sum(ranks, axis=0)
        if row.statistic == "top":
            best = truth >= np.sort(truth)[-944]
            values, truth = values[best], truth[best]
        measure = kendalltau if row.statistic == "kendall" else spearmanr
        assert measure(values, truth)[0] == pytest.approx(row.value, abs=0.006), row.proxy
        checked += 1
    assert checked == 63
