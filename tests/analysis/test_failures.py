import math

import numpy as np
import pandas as pd
import pytest

from zcproxy.analysis import POLICIES, complete, pairs, policy
from zcproxy.errors import InputError

NAN = math.nan
X = [0.5, NAN, -2.0, NAN, 7.0]
Y = [50.0, 40.0, 30.0, NAN, NAN]


@pytest.mark.parametrize("name", ["omit", "common"])
def test_omit_keeps_what_has_both(name):
    found = pairs(X, Y, name)
    assert found.scores.tolist() == [0.5, -2.0]
    assert found.accuracies.tolist() == [50, 30]
    assert found.kept.tolist() == [True, False, True, False, False]
    assert found.failed.tolist() == [False, False]
    assert found.failures == 1


def test_last_keeps_every_labelled_architecture_and_the_order_of_the_scores():
    found = pairs(X, Y, "last")
    assert found.accuracies.tolist() == [50, 40, 30]
    assert found.kept.tolist() == [True, True, True, False, False]
    assert found.failed.tolist() == [False, True, False]
    assert np.argsort(found.scores).tolist() == [1, 2, 0]
    assert found.failures == 1


def test_complete_rows():
    frame = pd.DataFrame({"a": [1.0, NAN, 3.0], "b": [NAN, NAN, 1.0]})
    assert complete(frame).tolist() == [False, False, True]
    assert complete(frame[["a"]]).tolist() == [True, False, True]


def test_policies_are_these_three():
    assert POLICIES == ("omit", "last", "common")
    assert [policy(name) for name in POLICIES] == list(POLICIES)
    with pytest.raises(InputError, match="no failure policy named 'drop'; known: common, last"):
        policy("drop")


def test_lengths_must_match():
    with pytest.raises(InputError, match="5 scores but 2 accuracies"):
        pairs(X, [1.0, 2.0])


def test_what_is_not_known_is_never_ranked():
    unknown = np.array([False, True, False, False, False])
    found = pairs(X, Y, "last", unknown)
    assert found.kept.tolist() == [True, False, True, False, False]
    assert np.argsort(found.scores).tolist() == [1, 0]
    assert found.failures == 1
    for name in ("omit", "common"):
        assert pairs(X, Y, name, unknown).kept.tolist() == pairs(X, Y, name).kept.tolist()
    here = np.array([True] * 5)  # where there is a value it is known
    assert pairs(X, Y, "last", here).kept.tolist() == [True, False, True, False, False]
