"""What a density is asked of, exactly."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from zcproxy.errors import InputError
from zcproxy.pruning.budget import density_asked, density_of_weights, exact


def test_numbers_are_what_their_decimals_say() -> None:
    for value in (0.9, Decimal("0.9"), np.float64(0.9), Fraction(9, 10)):
        assert exact(value) == Fraction(9, 10)
    assert exact(1) == 1
    assert density_asked(0.95, None) == Fraction(1, 20)
    assert density_asked(None, 0.05) == Fraction(1, 20)
    assert density_asked(0, None) == 1


@pytest.mark.parametrize(
    ("sparsity", "density", "says"),
    [
        (None, None, "give either sparsity"),
        (0.9, 0.1, "give either sparsity"),
        (95, None, "for 95 percent give 0.95"),
        (1.0, None, "at least 0 and below 1"),
        (-0.1, None, "at least 0 and below 1"),
        (None, 0, "above 0 and at most 1"),
        (float("nan"), None, "must be a number"),
        ("most", None, "must be a number, not 'most'"),
    ],
)
def test_what_is_no_fraction(sparsity: object, density: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        density_asked(sparsity, density)  # type: ignore[arg-type]


def test_a_budget_of_parameters_pays_for_what_cannot_be_pruned() -> None:
    assert density_of_weights(Fraction(1, 2), "weights", 80, 100) == Fraction(1, 2)
    assert density_of_weights(Fraction(1, 2), "params", 80, 100) == Fraction(30, 80)
    with pytest.raises(InputError, match="20 of 100 parameters cannot be pruned"):
        density_of_weights(Fraction(1, 5), "params", 80, 100)
