"""Schedules by their formulas; the last density is exactly the one asked for."""

from __future__ import annotations

from fractions import Fraction

import pytest

from zcproxy.errors import InputError
from zcproxy.pruning.schedule import SCHEDULES, densities

END = Fraction(1, 100)


def test_the_formulas() -> None:
    one = Fraction(1)
    exponential = [float(d) for d in densities(one, END, 4, "exponential")]
    assert exponential == pytest.approx([0.01 ** (k / 4) for k in (1, 2, 3, 4)], rel=1e-12)
    linear = [float(d) for d in densities(one, END, 4, "linear")]
    assert linear == pytest.approx([1 - 0.99 * k / 4 for k in (1, 2, 3, 4)], rel=1e-12)
    cubic = [float(d) for d in densities(one, END, 4, "cubic")]
    assert cubic == pytest.approx([0.01 + 0.99 * (1 - k / 4) ** 3 for k in (1, 2, 3, 4)], rel=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("start", [Fraction(1), Fraction(1, 3), END])
@pytest.mark.parametrize("rounds", [1, 2, 7, 100])
def test_they_never_rise_and_end_exactly(schedule: str, start: Fraction, rounds: int) -> None:
    found = densities(start, END, rounds, schedule)
    assert len(found) == rounds
    assert found[-1] == END
    assert found == sorted(found, reverse=True)
    assert found[0] <= start


def test_what_is_no_schedule() -> None:
    with pytest.raises(InputError, match="did you mean 'exponential'"):
        densities(Fraction(1), END, 4, "exponental")
    for rounds in (0, -1, 1.5, True):
        with pytest.raises(InputError, match="rounds must be a whole number"):
            densities(Fraction(1), END, rounds, "linear")  # type: ignore[arg-type]
