import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from zcproxy.analysis import (
    NAMED,
    Combination,
    combination_notes,
    combine,
    log_rank,
    mean_rank,
    vote,
    vote_concordance,
    vote_share,
    with_combinations,
)
from zcproxy.analysis.lacking import not_known
from zcproxy.errors import InputError
from zcproxy.kinds import UNKNOWN

A = [0.1, 0.4, 0.4, 0.9]
B = [5.0, 7.0, 6.0, 1.0]

columns = st.integers(2, 12).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 4), min_size=n, max_size=n), min_size=1, max_size=4)
)


def test_mean_rank_by_hand():
    assert mean_rank([A, B]).tolist() == pytest.approx(
        [(1 + 2) / 8, (2.5 + 4) / 8, (2.5 + 3) / 8, (4 + 1) / 8]
    )


def test_log_rank_by_hand():
    ranks = [(1, 2), (2.5, 4), (2.5, 3), (4, 1)]
    expected = [math.log(a / 4) + math.log(b / 4) for a, b in ranks]
    assert log_rank([A, B]).tolist() == pytest.approx(expected)


@given(columns)
def test_rank_rules_agree_with_scipys_ranks(sides):
    ranks = np.array([stats.rankdata(side) for side in sides])
    n = len(sides[0])
    np.testing.assert_allclose(mean_rank(sides), (ranks / n).mean(axis=0))
    np.testing.assert_allclose(log_rank(sides), np.log(ranks / n).sum(axis=0), atol=1e-12)


@given(columns)
def test_vote_counts_every_pair(sides):
    n = len(sides[0])
    won = np.zeros(n)
    for i, j in combinations(range(n), 2):
        balance = sum((side[i] > side[j]) - (side[i] < side[j]) for side in sides)
        won[i] += np.sign(balance)
        won[j] -= np.sign(balance)
    np.testing.assert_allclose(vote(sides), won / (n - 1))


@given(columns, st.integers(0, 1000))
def test_vote_concordance_counts_every_pair(sides, seed):
    n = len(sides[0])
    truth = np.random.default_rng(seed).integers(0, 3, size=n)
    right, asked = 0.0, 0
    for i, j in combinations(range(n), 2):
        if truth[i] == truth[j]:
            continue
        asked += 1
        balance = sum((side[i] > side[j]) - (side[i] < side[j]) for side in sides)
        agrees = np.sign(balance) * np.sign(truth[i] - truth[j])
        right += {1: 1.0, 0: 0.5, -1: 0.0}[int(agrees)]
    if asked == 0:
        with pytest.raises(InputError, match="no two accuracies differ"):
            vote_concordance(sides, truth)
    else:
        assert vote_concordance(sides, truth) == pytest.approx(right / asked)


def test_the_majority_wins_against_one_strong_opinion():
    sides = [[1, 2], [1, 2], [1000, -1000]]
    assert vote(sides).tolist() == [-1, 1]


@pytest.mark.parametrize("rule", [mean_rank, log_rank, vote])
def test_columns_must_match(rule):
    with pytest.raises(InputError, match=r"lengths \[2, 3\]"):
        rule([[1, 2], [1, 2, 3]])
    with pytest.raises(InputError, match="nan"):
        rule([[1, math.nan]])


def test_combinations_are_read_and_written():
    assert Combination.parse("synflow") == Combination(("synflow",))
    found = Combination.parse("nwot+live_params:log-rank")
    assert found == Combination(("nwot", "live_params"), "log-rank")
    assert str(found) == "nwot+live_params:log-rank"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nwot+snip", "say how to combine"),
        ("nwot+snip:logrank", "did you mean 'log-rank'"),
        ("nwot+:vote", "joined by"),
        ("nwot+nwot:vote", "different proxies"),
        ("", "joined by"),
        ("nwot:", "no rule of combination"),
    ],
)
def test_bad_combinations_say_what_to_do(text, message):
    with pytest.raises(InputError, match=message):
        Combination.parse(text)


FRAME = pd.DataFrame({"a": [*A, 2.0], "b": [*B, math.nan]}, index=list("vwxyz"))


def test_rows_without_a_value_do_not_take_part():
    found = combine(FRAME, Combination(("a", "b"), "log-rank"))
    assert found.index.tolist() == list("vwxyz")
    assert found.iloc[:4].tolist() == log_rank([A, B]).tolist()
    assert found.isna().tolist() == [False] * 4 + [True]


def test_one_proxy_keeps_its_values():
    assert combine(FRAME, Combination(("a",))).tolist() == [*A, 2.0]
    assert combine(FRAME, Combination(("a",), "mean-rank")).tolist() == [0.2, 0.5, 0.5, 0.8, 1.0]


def test_an_unknown_proxy_is_named():
    with pytest.raises(InputError, match="no proxy among the scores named 'c'"):
        combine(FRAME, Combination(("a", "c"), "vote"))


def test_published_combinations_have_names() -> None:
    members = {name: (c.proxies, c.rule) for name, c in NAMED.items()}
    assert {name: of for name, of in members.items() if not name.startswith("blind")} == {
        "az_nas": (
            ("az_expressivity", "az_progressivity", "az_trainability", "flops"),
            "log-rank",
        ),
        "vkdnw_agg": (
            ("vkdnw", "jacob_cov", "az_expressivity", "az_trainability", "flops"),
            "log-rank",
        ),
        "vote": (("synflow", "jacob_cov", "snip"), "vote"),
    }
    for name in NAMED:
        assert str(Combination.parse(name)) == name


def test_blind_joins_three_ways_and_puts_failures_last() -> None:
    rng = np.random.default_rng(1)
    ways = {name: NAMED[name].proxies for name in NAMED["blind"].proxies}
    members = [member for proxies in ways.values() for member in proxies]
    assert len(set(members)) == len(members)
    frame = pd.DataFrame(rng.normal(size=(8, len(members))), columns=members)
    frame.loc[5] = np.nan
    frame.loc[2, "zen"] = np.nan
    expected = np.zeros(8)
    for proxies in ways.values():
        joined = np.zeros(8)
        for proxy in proxies:
            column = [-math.inf if math.isnan(value) else value for value in frame[proxy]]
            joined += np.log(rank(column) / 8)
        expected += np.log(rank(joined) / 8)
    found = with_combinations(frame, ["blind"])["blind"]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.idxmin() == 5


def of_ways(frame: pd.DataFrame, ways: Sequence[Sequence[str]]) -> np.ndarray:
    """Log ranks joined within ways, then across them, failures lowest, from the definition."""
    n, total = len(frame), np.zeros(len(frame))
    for way in ways:
        joined = np.zeros(n)
        for proxy in way:
            column = [-math.inf if math.isnan(value) else value for value in frame[proxy]]
            joined += np.log(rank(column) / n)
        total += np.log(rank(joined) / n)
    return total


def blind_frame(rows: int = 12) -> pd.DataFrame:
    """Made-up scores of all members of `blind`."""
    rng = np.random.default_rng(2)
    members = list(NAMED["blind"].members)
    frame = pd.DataFrame(rng.normal(size=(rows, len(members))), columns=members)
    for name in members:
        frame[f"{name}_failure"] = pd.Series(None, index=frame.index, dtype=object)
    return frame


def fail(frame: pd.DataFrame, rows: Sequence[int], proxies: Sequence[str], kind: str) -> None:
    """Put failures of a kind into a frame of scores."""
    for proxy in proxies:
        frame.loc[list(rows), proxy] = math.nan
        frame.loc[list(rows), f"{proxy}_failure"] = kind


WAYS = [NAMED[way].proxies for way in NAMED["blind"].proxies]
SEEN = [proxy for way in WAYS[1:] for proxy in way]


def test_members_of_combinations_in_combinations() -> None:
    assert list(NAMED["blind"].members) == [proxy for way in WAYS for proxy in way]
    assert all(NAMED["blind"].members.values())
    assert NAMED["az_nas"].failures_last and NAMED["vkdnw_agg"].failures_last
    assert not any(NAMED["vote"].members.values())


def test_what_was_not_scored_has_no_combined_score_and_no_rank() -> None:
    """Counts are known of every architecture: they alone do not make a score."""
    frame = blind_frame()
    fail(frame, [3, 7], SEEN, "not_scored")
    fail(frame, [5], SEEN, "disconnected")
    fail(frame, [6], ["zen"], "overflow")
    found = with_combinations(frame, ["blind"])
    assert found["blind"].isna().tolist() == [row in (3, 7) for row in range(12)]
    assert found["blind_failure"].dropna().to_dict() == {3: "not_scored", 7: "not_scored"}
    scored = frame.drop([3, 7])
    np.testing.assert_allclose(found["blind"].drop([3, 7]), of_ways(scored, WAYS), atol=1e-12)


@pytest.mark.parametrize("kind", ["crashed", "memory", "error: KeyError: 'x'"])
def test_what_failed_for_a_reason_outside_the_network_is_not_known(kind: str) -> None:
    frame = blind_frame()
    fail(frame, [3], ["zen"], "overflow")
    fail(frame, [3, 4], ["meco"], kind)
    found = with_combinations(frame, ["blind"])
    assert found["blind"].isna().tolist() == [row in (3, 4) for row in range(12)]
    assert set(found["blind_failure"].dropna()) == {kind.partition(":")[0]}


def test_blind_with_what_is_dear() -> None:
    """The same rule: vkdnw is the one dear derivative whose ranks two seeds agree on."""
    added = set(NAMED["blind_dear"].members) - set(NAMED["blind"].members)
    assert added == {"vkdnw"} and "vkdnw" in NAMED["blind_derivatives_dear"].proxies
    assert NAMED["blind_dear"].proxies[:2] == NAMED["blind"].proxies[:2]


def test_what_a_member_does_not_apply_to_has_none_where_it_applies_to_others() -> None:
    frame = blind_frame()
    fail(frame, [4], ["az_expressivity", "az_trainability"], "not_applicable: no blocks: none")
    found = with_combinations(frame, ["blind"])
    assert found["blind"].isna().tolist() == [row == 4 for row in range(12)]
    assert found["blind_failure"][4] == "not_applicable"
    scored = frame.drop(4)
    np.testing.assert_allclose(found["blind"].drop(4), of_ways(scored, WAYS), atol=1e-12)
    fail(frame, [4], ["jacob_cov"], "not_scored")
    assert with_combinations(frame, ["blind"])["blind_failure"][4] == "not_scored"


def test_a_member_that_applies_to_nothing_drops_out() -> None:
    frame = blind_frame()
    fail(frame, range(12), [*WAYS[2], "zen"], "not_applicable")
    fail(frame, [1], ["zen"], "disconnected")
    found = with_combinations(frame, ["blind"])
    assert "blind_failure" not in found
    ways = [WAYS[0], [proxy for proxy in WAYS[1] if proxy != "zen"]]
    np.testing.assert_allclose(found["blind"], of_ways(frame, ways), atol=1e-12)
    notes = combination_notes(frame, ["blind", "zen", "meco+swap:vote"])
    assert notes == [
        "blind is without zen, az_trainability, jacob_cov: applicable to none of the architectures"
    ]
    fail(frame, range(12), list(NAMED["blind"].members), "not_applicable")
    found = with_combinations(frame, ["blind"])
    assert found["blind"].isna().all()
    assert set(found["blind_failure"]) == {"not_applicable"}


def test_notes_count_rows_with_the_lowest_value_of_a_member() -> None:
    frame = blind_frame()
    fail(frame, [2, 3], SEEN, "disconnected")
    fail(frame, [5], ["az_trainability"], "degenerate")
    fail(frame, [6], SEEN, "not_scored")
    assert combination_notes(frame, ["blind"]) == [
        "blind takes failures of a member for its lowest value: disconnected 2, degenerate 1"
    ]


def test_other_combinations_keep_their_failures_and_tell_them() -> None:
    frame = blind_frame()
    fail(frame, [2], ["zen"], "overflow")
    found = with_combinations(frame, ["zen+meco:vote"])
    assert found["zen+meco:vote"].isna().tolist() == [row == 2 for row in range(12)]
    assert found["zen+meco:vote_failure"].dropna().to_dict() == {2: "overflow"}
    assert combination_notes(frame, ["zen+meco:vote"]) == []


def test_a_missing_value_without_a_stated_kind_comes_last() -> None:
    frame = blind_frame()
    fail(frame, [3], ["zen"], "overflow")
    told = with_combinations(frame, ["blind"])
    silent = with_combinations(frame.drop(columns="zen_failure"), ["blind"])
    pd.testing.assert_series_equal(silent["blind"], told["blind"])
    assert silent["blind"].notna().all()
    assert not not_known(frame.drop(columns="zen_failure"), "zen").any()


@pytest.mark.parametrize("kind", [*UNKNOWN, "error: KeyError: 'x'"])
def test_kinds_outside_the_network_are_not_known(kind: str) -> None:
    frame = blind_frame()
    fail(frame, [1, 4], ["zen"], kind)
    fail(frame, [2], ["meco"], "overflow")
    assert np.flatnonzero(not_known(frame, "zen")).tolist() == [1, 4]
    assert not not_known(frame, "meco").any()
    assert not not_known(frame, "swap").any()


def rank(column: Sequence[float]) -> np.ndarray:
    """Average ranks from 1, by counting."""
    return np.array(
        [sum(y < x for y in column) + (sum(y == x for y in column) + 1) / 2 for x in column]
    )


def test_combinations_become_columns() -> None:
    rng = np.random.default_rng(0)
    names = [*NAMED["az_nas"].proxies, "nwot"]
    frame = pd.DataFrame({name: rng.normal(size=9) for name in names})
    frame.loc[2, "az_trainability"] = np.nan
    frame.attrs = {"space": "nasbench201"}
    found = with_combinations(frame, ["nwot", "az_nas", "nwot+flops:mean-rank"])
    assert list(found.columns) == [*names, "az_nas", "nwot+flops:mean-rank"]
    lowest = frame.fillna(-math.inf)
    expected = sum(np.log(rank(lowest[name]) / 9) for name in NAMED["az_nas"].proxies)
    np.testing.assert_allclose(found["az_nas"], expected, atol=1e-12)
    assert found.attrs == {"space": "nasbench201"}
    with pytest.raises(InputError, match="az_expressivity"):
        with_combinations(frame[["nwot"]], ["az_nas"])


def test_the_share_of_votes_has_the_spread_of_random_samples() -> None:
    """The half-width of the interval is 1.96 standard deviations over independent samples."""
    shares, halves = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=60)
        columns = [truth + rng.normal(size=60) for _ in range(3)]
        share, interval = vote_share(columns, truth)
        assert share == vote_concordance(columns, truth)
        assert share - interval.low == pytest.approx(interval.high - share)
        shares.append(share)
        halves.append(share - interval.low)
    assert np.mean(halves) == pytest.approx(1.96 * np.std(shares), rel=0.12)
