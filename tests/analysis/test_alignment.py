import math

import pandas as pd
import pytest

from zcproxy.analysis import align, score_columns, select_columns
from zcproxy.errors import InputError

SCORES = pd.DataFrame(
    {
        "architecture": ["c", "a", "b", "x"],
        "synflow": [1.0, 2.0, 3.0, 4.0],
        "synflow_log": [0.0, 0.7, 1.1, 1.4],
        "other_log": [0.0, 1.0, 2.0, 3.0],
        "count": [1, 2, 3, 4],
        "synflow_failure": [None, None, None, "error"],
    }
)
TRUTH = pd.Series([10.0, 20.0, 30.0, math.nan], index=["a", "b", "c", "x"], name="acc")


def test_rows_meet_by_architecture_in_the_order_of_the_scores():
    values, truth = align(SCORES, TRUTH)
    assert values.index.tolist() == truth.index.tolist() == ["c", "a", "b"]
    assert values["synflow"].tolist() == [1.0, 2.0, 3.0]
    assert truth.tolist() == [30.0, 10.0, 20.0]


def test_accuracies_may_be_a_frame_of_one_column():
    frame = TRUTH.rename_axis("architecture").reset_index()
    assert align(SCORES, frame)[1].tolist() == [30.0, 10.0, 20.0]
    assert align(SCORES, frame)[1].name == "acc"
    with pytest.raises(InputError, match="expected one column, got acc, more; choose one"):
        align(SCORES, frame.assign(more=1.0))


def test_logarithms_and_text_are_no_proxies():
    assert score_columns(SCORES) == ["synflow", "other_log", "count"]


def test_columns_are_selected_once_and_as_floats():
    chosen = select_columns(SCORES, ["count", "synflow", "count"])
    assert chosen.columns.tolist() == ["count", "synflow"]
    assert [str(kind) for kind in chosen.dtypes] == ["float64", "float64"]
    assert select_columns(SCORES, ["synflow_log"]).shape == (4, 1)
    with pytest.raises(InputError, match="did you mean 'synflow'"):
        select_columns(SCORES, ["sinflow"])
    with pytest.raises(InputError, match="no proxy among the scores"):
        select_columns(SCORES, ["synflow_failure"])


def test_wrong_frames_say_what_is_wrong():
    with pytest.raises(InputError, match="scores: no column 'architecture'"):
        align(SCORES.drop(columns="architecture"), TRUTH)
    with pytest.raises(InputError, match="scores: architecture c occurs more than once"):
        align(pd.concat([SCORES, SCORES[:1]]), TRUTH)
    with pytest.raises(InputError, match="accuracies: architecture a occurs more than once"):
        align(SCORES, pd.concat([TRUTH, TRUTH[:1]]))
    with pytest.raises(InputError, match="none of the 1 scored .* scored: x, with an accuracy: a"):
        align(SCORES[3:], TRUTH)
