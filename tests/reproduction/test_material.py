"""Scores of one configuration are put together, those of different ones never."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from zcproxy import spaces
from zcproxy.errors import InputError
from zcproxy.reproduction import missing, published
from zcproxy.reproduction.choice import batch_matters, chosen, images_matter
from zcproxy.reproduction.material import joined
from zcproxy.sampling import place

SPACE = spaces.get("nasbench201")
ALL = SPACE.architectures()
RUN = {"space": "nasbench201", "dataset": "cifar10", "protocol": "clean", "batch_size": 64}
RUN |= {"batch_seed": 0, "seed": 0}


def frame(rows: range, run: dict[str, object] | None = None, **columns: object) -> pd.DataFrame:
    made = pd.DataFrame({"architecture": [ALL[i] for i in rows], **columns})
    run = {**RUN, **(run or {})}
    made.attrs = {"key": repr(sorted(run.items())), **run}
    return made


def wanted(table: str, dataset: str, statistic: str, proxy: str):
    (row,) = (
        r
        for r in published(table)
        if (r.dataset, r.statistic, r.proxy) == (dataset, statistic, proxy)
    )
    return row


def test_tables_of_one_configuration_become_one() -> None:
    first = frame(range(4), snip=[1.0, np.nan, np.nan, 4.0])
    first["snip_failure"] = [None, "disconnected", "not_scored", None]
    second = frame(range(1, 5), snip=[9.0, 3.0, 9.0, 5.0], nwot=[1.0, 2.0, 3.0, 4.0])
    third = frame(range(5, 6), snip=[6.0], nwot=[5.0])
    (scored,) = joined([("a", first), ("b", second), ("c", third)])
    table = scored.frame.set_index("architecture").loc[ALL[:6]]
    assert table["snip"].tolist()[2:] == [3.0, 4.0, 5.0, 6.0]
    assert table["snip"].iloc[0] == 1.0
    assert np.isnan(table["snip"].iloc[1])
    assert table["snip_failure"].iloc[1] == "disconnected"  # of the first, before the second's 9
    assert np.isnan(table["nwot"].iloc[0])
    assert table["nwot_failure"].iloc[0] == "not_scored"
    values = scored.values("snip", "all", "cifar10")
    assert len(values) == 6
    assert len(scored.values("nwot", "all", "cifar10")) == 5
    assert len(scored.values("nwot+params:log-rank", "all", "cifar10")) == 5


def test_the_longer_table_counts_and_files_that_add_nothing_are_not_named() -> None:
    whole = frame(range(4), snip=[1.0, 2.0, 3.0, 4.0])
    sample = frame(range(1, 3), snip=[9.0, 9.0], nwot=[1.0, 2.0])
    (scored,) = joined([("sample", sample), ("whole", whole), ("whole", whole)])
    assert scored.values("snip", "all", "cifar10").tolist() == [1.0, 2.0, 3.0, 4.0]
    assert scored.origin("snip") == ("whole",)
    assert scored.origin("nwot") == ("sample",)
    assert scored.origin("params+nwot+snip:log-rank") == ("sample", "whole")
    assert scored.covered("snip", "all") == 4
    assert scored.covered("nwot+snip:log-rank", "all") == 2
    assert scored.covered("snip", "live") == len(set(ALL[:4]) & set(SPACE.subset("live")))


@pytest.mark.parametrize("field", ["protocol", "seed", "batch_seed", "dataset", "batch_size"])
def test_tables_of_different_configurations_stay_apart(field: str) -> None:
    other = {"protocol": "aznas", "seed": 1, "batch_seed": 1, "dataset": "cifar100"}
    changed = {field: {**other, "batch_size": 32}[field]}
    one, two = frame(range(3), snip=[1.0, 2.0, 3.0]), frame(range(3), changed, nwot=[1.0, 2.0, 3.0])
    assert len(joined([("a", one), ("b", two)])) == 2


def test_combinations_take_their_members_from_one_run() -> None:
    row = wanted("sota2025", "cifar10", "spearman", "vkdnw_agg")
    members = ["vkdnw", "jacob_cov", "az_expressivity", "az_trainability"]
    columns = {name: [1.0, 2.0] for name in members}
    noise = {"protocol": "aznas"}
    whole = joined([("a", frame(range(2), noise, **columns))])
    assert chosen(row, whole) is whole[0]
    parts = [
        ("a", frame(range(2), noise, **{name: columns[name] for name in members[:2]})),
        ("b", frame(range(2), {**noise, "seed": 1}, **{n: columns[n] for n in members[2:]})),
        ("c", frame(range(2), **columns)),  # under another protocol
    ]
    assert chosen(row, joined(parts)) is None
    same = [*parts[:1], ("b", frame(range(2), noise, **{n: columns[n] for n in members[2:]}))]
    assert chosen(row, joined(same)) is not None


def test_the_preferred_run_is_chosen() -> None:
    row = wanted("abdelfattah2021", "cifar10", "spearman", "snip")
    runs = [
        ("clean", {}),
        ("seed", {"protocol": "abdelfattah2021", "seed": 1}),
        ("batch", {"protocol": "abdelfattah2021", "batch_seed": 1}),
        ("small", {"protocol": "abdelfattah2021", "batch_size": 32}),
        ("noise", {"protocol": "aznas"}),
        ("other", {"protocol": "abdelfattah2021", "dataset": "cifar100"}),
    ]
    material = joined([(name, frame(range(2), run, snip=[1.0, 2.0])) for name, run in runs])
    assert order(row, material) == ["batch", "seed", "clean", "small"]


def order(row, material) -> list[str]:
    """The files of the runs that are chosen one after the other."""
    names: list[str] = []
    while (found := chosen(row, material)) is not None:
        names += found.origin(row.proxy)
        material = [scored for scored in material if scored is not found]
    return names


def test_of_unfinished_runs_that_with_most_scores_is_chosen() -> None:
    row = wanted("abdelfattah2021", "cifar10", "spearman", "snip")
    begun = frame(range(9), {"protocol": "abdelfattah2021"}, snip=[1.0, 2.0] + [np.nan] * 7)
    begun["snip_failure"] = [None, None] + ["not_scored"] * 7
    other = frame(range(5), {"seed": 1}, snip=[1.0, 2.0, np.nan, 4.0, 5.0])
    other["snip_failure"] = [None, None, "disconnected", None, None]
    reached = frame(range(3), {"seed": 2}, snip=[np.nan] * 3)
    reached["snip_failure"] = ["not_scored"] * 3
    material = joined([("begun", begun), ("other", other), ("reached", reached)])
    assert order(row, material) == ["other", "begun"]


def test_images_and_batch_size_are_preferred_only_where_they_matter() -> None:
    runs = [
        ("standin", {"dataset": "imagenet16-120-standin", "protocol": "nas_bench_suite_zero"}),
        ("official", {"dataset": "imagenet16-120", "protocol": "clean"}),
        ("both", {"dataset": "imagenet16-120", "protocol": "clean", "batch_size": 32}),
    ]
    columns = {"snip": [1.0, 2.0], "meco": [1.0, 2.0], "synflow": [1.0, 2.0]}
    material = joined([(name, frame(range(2), run, **columns)) for name, run in runs])
    table = "nas_bench_suite_zero"
    snip = wanted(table, "imagenet16-120", "spearman", "snip")
    assert order(snip, material) == ["both", "official", "standin"]
    synflow = wanted(table, "imagenet16-120", "spearman", "synflow")
    assert order(synflow, material) == ["standin", "both", "official"]


def test_a_stand_in_serves_where_no_image_matters() -> None:
    stand_in = {"dataset": "imagenet16-120-standin", "protocol": "clean"}
    (scored,) = joined([("a", frame(range(2), stand_in, snip=[1.0, 2.0], synflow=[1.0, 2.0]))])
    snip = wanted("abdelfattah2021", "imagenet16-120", "spearman", "snip")
    assert chosen(snip, [scored]) is scored
    assert images_matter("snip", scored)
    assert images_matter("vote", dataclasses.replace(scored))
    assert not images_matter("synflow", scored)
    assert not images_matter("params+live_convs:log-rank", scored)
    assert not images_matter("meco+zen+meco_opt:log-rank", scored)
    noise = dataclasses.replace(scored, run={**scored.run, "protocol": "aznas"})
    assert not images_matter("snip", noise)
    assert batch_matters("snip")
    assert batch_matters("blind")
    assert not batch_matters("zen+params:log-rank")


def test_counts_need_no_run() -> None:
    row = wanted("nas_bench_suite_zero", "imagenet16-120", "spearman", "flops")
    found = chosen(row, [])
    assert found is not None
    values = found.values("flops", "live", "imagenet16-120")
    assert len(values) == 9_445
    assert values.iloc[0] == SPACE.counts(values.index[0], "imagenet16-120")["flops"]
    assert found.made == ""


def test_tables_that_tell_nothing_are_refused() -> None:
    bare = frame(range(2), snip=[1.0, 2.0])
    bare.attrs = {}
    with pytest.raises(InputError, match="does not tell how it was scored"):
        joined([("mine.csv", bare)])
    with pytest.raises(InputError, match="scores of digits201"):
        joined([("d", frame(range(2), {"space": "digits201"}, snip=[1.0, 2.0]))])


def test_what_is_missing_is_told_as_commands() -> None:
    rows = [r for r in published("abdelfattah2021") if r.dataset != "cifar100"]
    have = joined([("a", frame(range(2), snip=[1.0, 2.0], synflow=[1.0, 2.0]))])  # of 15,625
    commands = [need.command for need in missing(rows, have, {"imagenet16-120": "elsewhere"})]
    start = "zcproxy score --space nasbench201 --dataset"
    assert commands == [
        f"{start} cifar10 --protocol abdelfattah2021 --proxies "
        "grad_norm,grasp,fisher,jacob_cov,synflow,snip",  # vote needs the last two in one run
        f"{start} elsewhere --protocol abdelfattah2021 --proxies "
        "grad_norm,snip,grasp,fisher,synflow,jacob_cov",
    ]
    libra = [r for r in published("sota2025") if r.proxy == "libra"]
    assert missing(libra, [], {}) == []


def test_a_part_of_the_scores_is_missing_scores() -> None:
    rows = [wanted("abdelfattah2021", "cifar10", "spearman", "snip")]
    run = {"protocol": "abdelfattah2021"}
    part = joined([("a", frame(range(3), run, snip=[1.0, 2.0, 3.0]))])
    (need,) = missing(rows, part, {})
    assert (need.dataset, need.protocol, need.proxies) == ("cifar10", "abdelfattah2021", ("snip",))
    everything = range(len(ALL))
    noise = np.random.default_rng(0).normal(size=len(ALL))
    whole = frame(everything, run, snip=noise)
    assert missing(rows, joined([("a", whole)]), {}) == []
    whole["snip_failure"] = ["not_scored"] + [None] * (len(ALL) - 1)
    whole.loc[0, "snip"] = np.nan
    assert missing(rows, joined([("a", whole)]), {}) == [need]
    whole.loc[0, "snip_failure"] = "disconnected"
    assert missing(rows, joined([("a", whole)]), {}) == []


def test_a_stand_in_is_enough_only_where_there_is_nothing_better() -> None:
    snip = wanted("abdelfattah2021", "imagenet16-120", "spearman", "snip")
    synflow = wanted("abdelfattah2021", "imagenet16-120", "spearman", "synflow")
    noise = np.random.default_rng(0).normal(size=len(ALL))
    made = frame(range(len(ALL)), {"dataset": "imagenet16-120-standin"}, snip=noise, synflow=noise)
    material = joined([("a", made)])
    assert missing([snip, synflow], material, {"imagenet16-120": "imagenet16-120-standin"}) == []
    (need,) = missing([snip, synflow], material, {})
    assert (need.dataset, need.proxies) == ("imagenet16-120", ("snip",))


def test_their_batch_size_is_in_the_command() -> None:
    rows = [wanted("sota2025", "cifar10", "spearman", name) for name in ("zico", "grad_sign")]
    ends = [need.command.partition("--protocol ")[2] for need in missing(rows, [], {})]
    assert ends == ["clean --proxies zico", "clean --proxies grad_sign --batch-size 128"]


@pytest.mark.parametrize(
    ("run", "end"),
    [
        ({}, "clean --proxies grad_sign --batch-size 128"),
        ({"batch_size": 128, "seed": 1}, "clean --proxies grad_sign --batch-size 128"),
        ({"batch_size": 32, "dataset": "cifar100"}, "clean --proxies grad_sign --batch-size 128"),
        ({"batch_size": 128}, "clean --proxies grad_sign --batch-size 128"),
    ],
)
def test_a_run_begun_at_another_batch_size_is_not_gone_on_with(run, end) -> None:
    rows = [wanted("sota2025", "cifar10", "spearman", "grad_sign")]
    have = joined([("a", frame(range(2), run, grad_sign=[1.0, 2.0]))])
    assert [need.command.partition("--protocol ")[2] for need in missing(rows, have, {})] == [end]


def test_of_a_stand_in_which_cannot_be_compared_any_run_begun_is_gone_on_with() -> None:
    rows = [wanted("sota2025", "imagenet16-120", "spearman", "grad_sign")]
    have = joined([("a", frame(range(2), {"dataset": "elsewhere"}, grad_sign=[1.0, 2.0]))])
    place = {"imagenet16-120": "elsewhere"}
    assert missing(rows, have, place)[0].command.endswith(
        "clean --proxies grad_sign --batch-size 128"
    )
    standin = "imagenet16-120-standin"
    have = joined([("a", frame(range(2), {"dataset": standin}, grad_sign=[1.0, 2.0]))])
    assert missing(rows, have, {"imagenet16-120": standin})[0].batch_size is None


def test_without_a_batch_its_size_does_not_matter() -> None:
    rows = [wanted("abdelfattah2021", "cifar10", "spearman", "synflow")]
    have = joined([("a", frame(range(2), {"batch_size": 32}, synflow=[1.0, 2.0]))])
    (need,) = missing(rows, have, {})
    assert (need.protocol, need.batch_size) == ("clean", 32)


def test_how_scores_were_made_is_told_with_an_unusual_batch_size() -> None:
    (scored,) = joined([("a", frame(range(2), {"batch_size": 8}, snip=[1.0, 2.0]))])
    assert scored.made.startswith("protocol clean, 8 images of cifar10 (the protocol's own are 64)")


def test_a_combination_knows_why_its_members_failed() -> None:
    """As everywhere: a failure is lowest, and what a member does not apply to has no score."""
    names = ("az_expressivity", "az_progressivity", "az_trainability")
    made = frame(range(4), **{name: [1.0, 2.0, 3.0, 4.0] for name in names})
    made.loc[1:2, "az_trainability"] = np.nan
    made["az_trainability_failure"] = [None, "not_applicable", "degenerate", None]
    (scored,) = joined([("a", made)])
    values = scored.values("az_nas", "all", "cifar10")
    assert values.loc[ALL[:4]].isna().tolist() == [False, True, False, False]


@pytest.mark.parametrize("kind", ["not_scored", "crashed", "error", "memory", "error: KeyError"])
def test_what_says_nothing_of_a_network_is_no_score(kind: str) -> None:
    first = frame(range(6), snip=[1.0, np.nan, np.nan, 4.0, 5.0, 6.0])
    first["snip_failure"] = [None, "disconnected", kind, None, None, None]
    (scored,) = joined([("a", first)])
    assert scored.covered("snip", "all") == 5
    assert scored.covered("snip+params:log-rank", "all") == 5
    assert list(scored.values("snip", "all", "cifar10").index) == [*ALL[:2], *ALL[3:6]]
    second = frame(range(1, 3), snip=[9.0, 3.0])
    (both,) = joined([("a", first), ("b", second)])
    assert both.covered("snip", "all") == 6
    assert both.values("snip", "all", "cifar10").loc[ALL[2]] == 3.0
    assert both.origin("snip") == ("a", "b")


def test_a_sample_of_their_batch_size_goes_before_all_of_another() -> None:
    row = wanted("nas_bench_suite_zero", "cifar10", "spearman", "grasp")
    noise = np.random.default_rng(0).normal(size=len(ALL))
    whole = frame(range(len(ALL)), {"batch_size": 64}, grasp=noise)
    first = sorted(range(len(ALL)), key=lambda i: place(ALL[i]))
    theirs = {"protocol": "nas_bench_suite_zero", "batch_size": 32}
    for scored, expected in ((1200, "theirs"), (200, "whole")):
        part = frame(range(len(ALL)), theirs, grasp=noise)
        waiting = first[scored:]
        part.loc[waiting, "grasp"] = np.nan
        part["grasp_failure"] = None
        part.loc[waiting, "grasp_failure"] = "not_scored"
        found = chosen(row, joined([("whole", whole), ("theirs", part)]))
        assert found is not None
        assert found.origin("grasp") == (expected,)
    best = wanted("nas_bench_suite_zero", "cifar10", "top", "grasp")  # which needs all
    found = chosen(best, joined([("whole", whole), ("theirs", part)]))
    assert found is not None
    assert found.origin("grasp") == ("whole",)
