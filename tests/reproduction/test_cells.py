"""Ours beside the published, and verdicts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from zcproxy import spaces
from zcproxy.analysis import kendall, spearman, vote_concordance
from zcproxy.reproduction import Cell, cells, joined, published, text
from zcproxy.sampling import place

SPACE = spaces.get("nasbench201")
ALL = SPACE.architectures()
RNG = np.random.default_rng(0)
TRUTH = pd.DataFrame({"architecture": ALL, "cifar10-valid_test_200": RNG.normal(size=len(ALL))})
ROWS = {
    (r.statistic, r.proxy): r
    for table in ("abdelfattah2021", "sota2025")
    for r in published(table)
    if r.dataset == "cifar10"
}
SNIP = ROWS["spearman", "snip"]


def scores(n: int = len(ALL), **run: object) -> pd.DataFrame:
    noise = {name: RNG.normal(size=n) for name in ("snip", "synflow", "jacob_cov")}
    frame = pd.DataFrame({"architecture": ALL[:n], **noise})
    frame["snip"] += TRUTH["cifar10-valid_test_200"][:n]
    facts = {"space": "nasbench201", "dataset": "cifar10", "protocol": "clean", "batch_size": 64}
    frame.attrs = facts | {"batch_seed": 0, "seed": 0} | run
    frame.attrs["key"] = repr(sorted(frame.attrs.items()))
    return frame


def compared(row, frame: pd.DataFrame, released: pd.DataFrame | None = None) -> Cell:
    (cell,) = cells([row], joined([("a", frame)]), TRUTH, released, resamples=20)
    return cell


def test_spearman_is_that_of_all_architectures() -> None:
    frame = scores()
    cell = compared(SNIP, frame)
    assert cell.ours == spearman(frame["snip"], TRUTH["cifar10-valid_test_200"])
    assert cell.low < cell.ours < cell.high
    assert (cell.n, cell.of) == (15_625, 15_625)
    assert cell.difference == cell.ours - 0.596
    assert cell.verdict == "differs"


def test_a_negative_sign_is_shown_and_told_where_they_print_absolute_values() -> None:
    frame = scores()
    right = compared(SNIP, frame)
    frame["snip"] = -frame["snip"]
    cell = compared(SNIP, frame)
    assert cell.ours == -right.ours < 0
    assert cell.low < cell.ours < cell.high
    assert cell.difference == right.difference
    assert cell.verdict == "differs"
    assert any("ours is negative" in remark for remark in cell.remarks)
    assert not any("negative" in remark for remark in right.remarks)
    near = dataclasses.replace(SNIP, value=right.ours + 0.02)
    assert compared(near, frame).verdict == "reproduced but for the sign"
    signed = dataclasses.replace(near, absolute=False)
    assert compared(signed, frame).verdict == "differs"
    assert not compared(signed, frame).opposite


def test_the_interval_of_a_negative_value_is_turned_with_it() -> None:
    row = dataclasses.replace(SNIP, value=0.69)
    assert Cell(row, -0.6, -0.7, -0.5, 9, 9).verdict == "reproduced but for the sign"
    assert Cell(dataclasses.replace(row, value=0.71), -0.6, -0.7, -0.5, 9, 9).differs


def test_another_batch_size_stands_in_the_verdict() -> None:
    usual = compared(SNIP, scores())
    near = dataclasses.replace(SNIP, value=usual.ours)
    assert compared(near, scores()).verdict == "reproduced"
    small = compared(near, scores(batch_size=8))
    assert small.verdict == "reproduced at another batch size"
    assert small.remarks[0] == "ours: 8 images of cifar10; theirs: 64"
    assert compared(SNIP, scores(batch_size=8)).verdict == "differs at another batch size"
    without = dataclasses.replace(near, proxy="synflow", value=0.0, absolute=False)
    assert compared(without, scores(batch_size=8)).verdict == "reproduced"
    theirs = dataclasses.replace(near, protocols=("nas_bench_suite_zero", "clean"))
    assert compared(theirs, scores()).remarks[0] == "ours: 64 images of cifar10; theirs: 32"
    assert compared(theirs, scores(batch_size=32)).verdict == "reproduced"
    stated = dataclasses.replace(theirs, images=64)
    assert compared(stated, scores()).verdict == "reproduced"
    noise = dataclasses.replace(near, protocols=("aznas",))
    found = compared(noise, scores(batch_size=8, protocol="aznas"))
    assert found.remarks[0] == "ours: 8 noise inputs in the shape of cifar10; theirs: 64"


def test_a_guess_is_told_and_where_it_differs_ours_with_other_accuracies() -> None:
    others = ("cifar10_valid_200", "cifar10_test_200")
    row = dataclasses.replace(SNIP, others=others, note="which accuracy is a guess", absolute=False)
    frame = scores()
    truth = TRUTH.assign(cifar10_valid_200=-TRUTH["cifar10-valid_test_200"])
    (cell,) = cells([row], joined([("s.csv", frame)]), truth, None, resamples=20)
    assert cell.elsewhere == (("cifar10_valid_200", -cell.ours),)
    assert cell.verdict == "differs"
    assert cell.remarks == [
        "which accuracy is a guess",
        f"ours is {text.compact(f'{-cell.ours:.3f}')} with cifar10_valid_200 (zcproxy correlate "
        "s.csv --proxies snip --subset all --failures omit --accuracy COLUMN)",
    ]
    near = dataclasses.replace(row, value=cell.ours)
    (cell,) = cells([near], joined([("s.csv", frame)]), truth, None, resamples=20)
    assert (cell.verdict, cell.elsewhere) == ("reproduced", ())
    assert cell.remarks == ["which accuracy is a guess"]


def test_the_best_tenth_is_that_of_all_by_accuracy_with_its_ties() -> None:
    rough = TRUTH.assign(**{"cifar10-valid_test_200": TRUTH["cifar10-valid_test_200"].round(2)})
    row = dataclasses.replace(SNIP, statistic="top", absolute=False)
    frame = scores()
    accuracy = rough["cifar10-valid_test_200"]
    best = accuracy >= sorted(accuracy)[-1562]
    assert best.sum() > 1562
    failed = best & (np.arange(len(best)) % 7 == 0)
    frame["snip_failure"] = ["disconnected" if lost else None for lost in failed]
    frame.loc[failed, "snip"] = np.nan
    (cell,) = cells([row], joined([("a", frame)]), rough, None, resamples=20)
    kept = best & ~failed
    assert cell.ours == pytest.approx(spearman(frame["snip"][kept], accuracy[kept]))
    assert cell.low < cell.ours < cell.high
    assert cell.n == kept.sum()


def test_without_resamples_there_is_no_interval_but_a_verdict() -> None:
    frame = scores()
    with_interval = compared(SNIP, frame)
    for row in (SNIP, dataclasses.replace(SNIP, value=with_interval.ours)):
        (cell,) = cells([row], joined([("a", frame)]), TRUTH, None, resamples=0)
        assert (cell.low, cell.high) == (None, None)
        assert cell.ours == with_interval.ours
        assert cell.verdict == compared(row, frame).verdict
        assert text.line(cell)["95 %"] == "–"


def test_kendall_and_failures_last() -> None:
    row = dataclasses.replace(SNIP, statistic="kendall", failures="last")
    frame = scores()
    frame.loc[:99, "snip"] = np.nan
    frame["snip_failure"] = ["disconnected"] * 100 + [None] * (len(ALL) - 100)
    cell = compared(row, frame)
    lowest = frame["snip"].fillna(frame["snip"].min() - 1)
    assert cell.ours == pytest.approx(kendall(lowest, TRUTH["cifar10-valid_test_200"]))
    assert cell.n == 15_625
    assert compared(dataclasses.replace(row, failures="omit"), frame).n == 15_525


def test_the_vote_is_a_share_of_pairs(monkeypatch) -> None:
    few = tuple(ALL[:300])
    monkeypatch.setattr("zcproxy.reproduction.material.architectures", lambda subset: few)
    assert cells([ROWS["concordance", "vote"]], [], TRUTH, None)[0].verdict == "not scored"
    frame = scores(300)
    cell = compared(ROWS["concordance", "vote"], frame)
    members = [frame[name] for name in ("synflow", "jacob_cov", "snip")]
    expected = vote_concordance(members, TRUTH["cifar10-valid_test_200"][:300])
    assert cell.ours == pytest.approx(expected)
    assert cell.low < expected < cell.high
    (bare,) = cells([ROWS["concordance", "vote"]], joined([("a", frame)]), TRUTH, None, resamples=0)
    assert (bare.ours, bare.low, bare.high) == (cell.ours, None, None)


def test_a_part_of_the_architectures_is_no_reproduction() -> None:
    cell = compared(SNIP, scores(100))
    assert cell.verdict == "not comparable because only 100 of 15,625 are scored"
    assert (cell.ours, cell.difference, cell.low, cell.n) == (None, None, None, 100)
    assert cell.remarks == []
    first = ALL.index(min(ALL, key=place))  # the first in the order of runs
    assert compared(SNIP, without(scores(), [first])).verdict.endswith(
        "only 15,624 of 15,625 are scored"
    )


def without(frame: pd.DataFrame, rows: Sequence[int]) -> pd.DataFrame:
    """Scores of a run that has not reached some rows."""
    frame = frame.assign(snip_failure=pd.Series([None] * len(frame), dtype="object"))
    frame.loc[rows, "snip"], frame.loc[rows, "snip_failure"] = np.nan, "not_scored"
    return frame


def test_what_a_stopped_run_has_scored_is_compared_as_a_sample() -> None:
    order = sorted(range(len(ALL)), key=lambda row: place(ALL[row]))
    frame = without(scores(), [*order[1000:1500], *order[1503:]])  # three others were done sooner
    truth = TRUTH["cifar10-valid_test_200"]
    sample = order[:1000]
    cell = compared(SNIP, frame)
    assert cell.ours == pytest.approx(spearman(frame["snip"][sample], truth[sample]), abs=1e-12)
    assert (cell.n, cell.of, cell.sample) == (1000, 15_625, True)
    assert cell.low < cell.ours < cell.high
    assert cell.verdict == "differs on a sample"
    near = dataclasses.replace(SNIP, value=cell.ours)
    assert compared(near, frame).verdict == "reproduced on a sample"
    small = without(scores(batch_size=8), order[1000:])
    assert compared(SNIP, small).verdict == "differs on a sample at another batch size"
    crashed = without(scores(), order[1000:])
    crashed.loc[order[3], ["snip", "snip_failure"]] = [np.nan, "crashed"]
    assert compared(SNIP, crashed).n == 999
    noisy = without(scores(), order[400:])
    noisy["snip"] = np.where(noisy["snip"].notna(), RNG.normal(size=len(ALL)), np.nan)
    assert compared(SNIP, noisy).verdict == "not comparable because the sample of 400 is too small"
    (bare,) = cells([SNIP], joined([("a", frame)]), TRUTH, None, resamples=0)
    assert (bare.ours, bare.verdict) == (
        cell.ours,
        "not comparable because a sample needs an interval",
    )
    few, others = without(scores(), order[250:]), without(scores(), order[:100])
    top = dataclasses.replace(SNIP, statistic="top")
    for lack in (compared(SNIP, few), compared(SNIP, others), compared(top, frame)):
        assert "are scored" in lack.verdict and lack.ours is None


def test_a_stand_in_is_no_reproduction() -> None:
    row = dataclasses.replace(SNIP, dataset="imagenet16-120")
    cell = compared(row, scores(dataset="imagenet16-120-standin"))
    assert cell.verdict == "not comparable because the images are those of imagenet16-120-standin"
    assert text.line(cell)["data set"] == "imagenet16-120-standin"
    for name in ("synflow", "meco", "meco_opt", "zen"):
        frame = scores(dataset="imagenet16-120-standin")
        frame[name] = RNG.normal(size=len(frame))
        without = dataclasses.replace(row, proxy=name)
        assert compared(without, frame).verdict == "differs"


def test_a_complete_run_stands_before_a_part_under_the_protocol_named_first() -> None:
    part = scores(60, protocol="abdelfattah2021")
    whole = scores()
    for frames in ([("part", part), ("whole", whole)], [("whole", whole), ("part", part)]):
        (cell,) = cells([SNIP], joined(frames), TRUTH, None, resamples=20)
        assert (cell.n, cell.files) == (15_625, ("whole",))


def test_constant_scores_have_no_verdict() -> None:
    frame = scores()
    frame["snip"] = 1.0
    assert compared(SNIP, frame).verdict.startswith(
        "not comparable because all 15625 scores are equal"
    )


def test_what_lacks_is_told() -> None:
    (cell,) = cells([SNIP], [], TRUTH, None)
    assert cell.verdict == "not scored"
    assert compared(ROWS["spearman", "libra"], scores()).verdict == "not implemented"
    row = dataclasses.replace(SNIP, accuracy="cifar10_test_300")
    assert "has no column cifar10_test_300" in compared(row, scores()).verdict


def test_score_by_score_with_released_scores() -> None:
    row = dataclasses.replace(SNIP, statistic="scores", subset="live", value=0.98, absolute=False)
    assert "released scores are not here" in compared(row, scores()).verdict
    frame = scores()
    live = [ALL.index(a) for a in SPACE.subset("live")]
    theirs = frame["snip"].iloc[live].to_numpy() * 2 + 1
    shuffled = RNG.permutation(len(live))
    released = pd.DataFrame(
        {"index": np.array(live)[shuffled], "dataset": "cifar10", "snip": theirs[shuffled]}
    )
    other = released.assign(dataset="ImageNet16-120", snip=0.0)
    both = pd.concat([other, released])
    cell = compared(row, frame, both)
    assert cell.ours == pytest.approx(1.0)
    assert cell.verdict == "reproduced"  # however far above the published value
    worse = both.assign(snip=np.where(both["dataset"] == "cifar10", -both["snip"], 0.0))
    assert compared(row, frame, worse).verdict == "differs"
    lacking = both.drop(columns="snip")
    assert "have no column snip" in compared(row, frame, lacking).verdict


@pytest.mark.parametrize(
    ("ours", "low", "high", "value", "verdict"),
    [
        (0.60, 0.59, 0.61, 0.63, "reproduced"),
        (0.60, 0.59, 0.61, 0.57, "reproduced"),
        (0.60, 0.59, 0.61, 0.6301, "differs"),
        (0.60, 0.50, 0.70, 0.69, "reproduced"),
        (0.60, 0.50, 0.70, 0.71, "differs"),
        (0.60, 0.59, 0.61, math.nan, "no published value"),
    ],
)
def test_the_rule(ours: float, low: float, high: float, value: float, verdict: str) -> None:
    row = dataclasses.replace(SNIP, value=value)
    assert Cell(row, ours, low, high, 15_625, 15_625).verdict == verdict


def test_reasons_are_numbered_and_told_once() -> None:
    fisher = dataclasses.replace(SNIP, reason="their networks")
    found = [Cell(fisher, 0.9, 0.89, 0.91, 9, 9), Cell(fisher, 0.8, 0.79, 0.81, 9, 9)]
    found += [Cell(dataclasses.replace(fisher, value=0.9), 0.9, 0.89, 0.91, 9, 9), Cell(SNIP)]
    assert [texts[-1] for texts in text.lines(found)] == [
        "differs [1]",
        "differs [1]",
        "reproduced",
        "not scored",
    ]
    lines = list(text.markdown("t", "zcproxy reproduce t", found, []))
    assert "- [1] their networks" in lines
    assert "- 4 cells: 2 differs, 1 reproduced, 1 not scored" in lines
    assert sum(line.startswith("| cifar10") for line in lines) == 4
    assert sum(line.startswith("- [") for line in lines) == 1


def test_rows_say_their_run_and_subset_where_there_are_several() -> None:
    one = Cell(SNIP, 0.6, 0.5, 0.7, 9, 9, made="protocol clean", files=("a.csv",))
    two = dataclasses.replace(one, files=("a.csv", "b.csv"))
    counts = dataclasses.replace(one, made="", files=())
    assert text.columns([one, one, counts]) == list(text.COLUMNS)
    assert "our scores: a.csv: protocol clean" in list(text.notes([one, counts], []))
    assert text.columns([one, two])[-2:] == ["run", "verdict"]
    assert [texts[-2] for texts in text.lines([two, counts, one, two])] == ["1", "–", "2", "1"]
    notes = list(text.notes([two, one], []))
    assert "run 1: a.csv, b.csv: protocol clean" in notes
    assert "run 2: a.csv: protocol clean" in notes
    live = dataclasses.replace(one, published=dataclasses.replace(SNIP, subset="live"))
    assert text.columns([one, live])[:2] == ["data set", "subset"]
    assert [texts[1] for texts in text.lines([one, live])] == ["all", "live"]
    lines = list(text.markdown("t", "zcproxy reproduce t", [one, live], []))
    assert lines[5] == "| --- | --- | --- | --- | ---: | ---: | ---: | --- | ---: | --- |"


def test_scores_at_hand_reproduce_the_published_tables(shared_data) -> None:
    """Against real accuracies: ours of CIFAR-10, as committed."""
    from pathlib import Path

    from zcproxy import tables
    from zcproxy.store import read_scores

    folder = Path(__file__).parents[2] / "data" / "scores"
    paths = sorted(folder.glob("nasbench201-cifar10*.parquet"))
    if not paths:
        pytest.skip("the committed scores are not part of a distribution")
    names = {"grad_norm", "snip", "grasp", "synflow", "jacob_cov"}
    rows = [
        r
        for r in published("abdelfattah2021")
        if r.dataset == "cifar10" and r.statistic == "spearman" and r.proxy in names
    ]
    material = joined([(path.name, read_scores(path)) for path in paths])
    found = cells(rows, material, tables.load("nasbench201"), None, resamples=20)
    assert {cell.verdict for cell in found} == {"reproduced"}
