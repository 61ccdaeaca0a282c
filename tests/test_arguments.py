"""Checks of whole numbers and seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zcproxy.arguments import check_seed, whole
from zcproxy.errors import InputError


def test_whole_numbers_of_any_library_are_ints() -> None:
    for value in (3, np.int64(3), np.uint8(3)):
        assert whole("classes", value, 3) == 3
        assert type(whole("classes", value, 3)) is int


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2, "classes must be at least 3, not 2"),
        (3.0, "classes must be a whole number, not float"),
        ("3", "classes must be a whole number, not str"),
        (None, "classes must be a whole number, not None"),
    ],
)
def test_anything_else_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        whole("classes", value, 3)


def test_seeds_are_what_random_states_take() -> None:
    assert check_seed(-(2**63)) == -(2**63)
    assert check_seed(2**64 - 1) == 2**64 - 1
    for wrong in (-(2**63) - 1, 2**64):
        with pytest.raises(InputError, match="seed must be"):
            check_seed(wrong)
