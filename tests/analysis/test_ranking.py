import math

import pandas as pd
import pytest

from zcproxy.analysis import NAMED, Combination, ranking
from zcproxy.errors import InputError

FRAME = pd.DataFrame(
    {
        "architecture": list("abcde"),
        "nwot": [1.0, 3.0, math.nan, 3.0, -math.inf],
        "nwot_failure": [None, None, "degenerate", None, None],
        "snip": [5.0, 4.0, 3.0, math.nan, 1.0],
    }
)


def test_best_first_ties_shared_failures_last():
    found = ranking(FRAME, Combination(("nwot",)))
    assert found["architecture"].tolist() == ["b", "d", "a", "e", "c"]
    assert found["rank"].tolist() == [1, 1, 3, 4, pd.NA]
    assert found["score"].tolist()[:4] == [3.0, 3.0, 1.0, -math.inf]
    assert found["score"].iloc[4] is pd.NA
    assert found["reason"].tolist() == [None, None, None, None, "nwot: degenerate"]
    assert "nwot" not in found.columns


def test_a_combination_shows_its_parts_and_all_reasons():
    found = ranking(FRAME, Combination(("nwot", "snip"), "mean-rank"))
    assert found["architecture"].tolist() == ["a", "b", "e", "c", "d"]
    assert found.columns.tolist() == ["rank", "architecture", "score", "nwot", "snip", "reason"]
    assert found["rank"].tolist() == [1, 1, 3, pd.NA, pd.NA]
    assert found["reason"].tolist()[3:] == ["nwot: degenerate", "snip: no reason stated"]


def test_an_unknown_proxy_is_refused():
    with pytest.raises(InputError, match="did you mean 'snip'"):
        ranking(FRAME, Combination(("snipp",)))


def test_a_combination_of_combinations_shows_its_parts_and_whom_it_does_not_rank():
    members = list(NAMED["blind"].members)
    frame = pd.DataFrame({name: [4.0, 3.0, 2.0, 1.0] for name in members})
    frame.insert(0, "architecture", list("abcd"))
    frame.loc[1, "zen"] = frame.loc[2, "zen"] = math.nan
    frame["zen_failure"] = [None, "not_applicable: no features", "overflow: inf", None]
    frame.loc[1, "swap"] = math.nan
    frame["swap_failure"] = [None, "overflow", None, None]
    found = ranking(frame, Combination.parse("blind"))
    assert found["architecture"].tolist() == ["a", "c", "d", "b"]
    assert found.columns.tolist() == [
        *("rank", "architecture", "score"),
        *("blind_size", "blind_activations", "blind_derivatives", "reason"),
    ]
    assert found["blind_size"].tolist()[:3] == pytest.approx(
        [3 * math.log(rank / 3) for rank in (3, 2, 1)]
    )
    assert found["reason"].tolist() == [None] * 3 + ["zen: not_applicable: no features"]
