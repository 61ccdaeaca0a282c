import json

import pandas as pd

from zcproxy.cli.machine import records


def test_numbers_keep_their_digits_and_missing_ones_are_none():
    frame = pd.DataFrame(
        {
            "score": pd.array([1.2345678901234567e-20, 1e60, None], dtype="Float64"),
            "rank": pd.array([1, 2, None], dtype="Int64"),
            "reason": pd.Series([None, None, "overflow"], dtype=object),
        }
    )
    assert json.loads(json.dumps(records(frame))) == [
        {"score": 1.2345678901234567e-20, "rank": 1, "reason": None},
        {"score": 1e60, "rank": 2, "reason": None},
        {"score": None, "rank": None, "reason": "overflow"},
    ]
