"""The order of runs, and the sample that is left where one was stopped."""

from __future__ import annotations

import hashlib

from zcproxy.sampling import beginning, place


def test_the_order_is_that_of_a_hash() -> None:
    assert place("a") == hashlib.sha256(b"a").digest()
    names = [str(number) for number in range(200)]
    order = sorted(names, key=place)
    assert order != names and sorted(order) == sorted(names)
    assert sorted(names[::3], key=place) == [name for name in order if name in names[::3]]


def test_the_sample_ends_before_the_first_that_is_not_scored() -> None:
    names = [str(number) for number in range(50)]
    order = sorted(names, key=place)
    assert beginning(names, {*order[:20], *order[21:30]}) == order[:20]
    assert beginning(reversed(names), set(order)) == order
    assert beginning(names, set(order[1:])) == []
    assert beginning([], set(order)) == []
