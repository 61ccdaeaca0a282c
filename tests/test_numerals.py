import math

import pandas as pd
import pytest

from zcproxy.numerals import compact, count, decimal, estimate, missing


@pytest.mark.parametrize("value", [None, math.nan, pd.NA])
def test_missing_numbers_are_a_dash(value):
    assert missing(value)
    assert decimal(value) == count(value) == estimate(value, value, value) == "–"


def test_numbers_in_words():
    assert decimal(-0.36749) == "-0.367"
    assert decimal(94.373, 2) == "94.37"
    assert estimate(0.7371, 0.729, 0.7454) == "0.737 [0.729, 0.745]"
    assert estimate(0.7371, None, None) == "0.737"
    assert count(15625) == "15,625"
    assert not missing(0.0)


def test_compact_drops_only_leading_zeros():
    assert compact("-0.352 [-0.368, 10.33]") == "-.352 [-.368, 10.33]"
    assert compact("100.05 and 1.00") == "100.05 and 1.00"
