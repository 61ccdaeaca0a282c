"""The exception tree, and the answer to a wrong name."""

from __future__ import annotations

import pytest

from zcproxy import errors
from zcproxy.errors import InputError, MeasureError, ZcproxyError, reason, unknown


def test_the_tree() -> None:
    for name in set(errors.__all__) - {"is_shortage", "kind_of", "reason", "unknown"}:
        assert issubclass(getattr(errors, name), ZcproxyError)
    assert issubclass(InputError, ValueError)
    assert not issubclass(MeasureError, ValueError)


class Mute(Exception):
    def __str__(self) -> str:
        return " \n"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("\n  first\nsecond"), "ValueError: first"),
        (KeyError("layer"), "KeyError: 'layer'"),
        (NotImplementedError(), "NotImplementedError"),
        (Mute("unheard"), "Mute"),
    ],
)
def test_a_foreign_error_is_told_in_one_line(error: Exception, expected: str) -> None:
    assert reason(error) == expected


def test_a_name_that_is_no_string_is_answered() -> None:
    expected = "a proxy is named by a string, such as 'snip', not None (a hint)"
    assert str(unknown("proxy", None, ["snip"], "a hint")) == expected
    assert str(unknown("proxy", 3, [])) == "a proxy is named by a string, not int"


def test_a_measure_error_has_a_kind() -> None:
    error = MeasureError("degenerate", "two images are equal")
    assert (error.kind, str(error)) == ("degenerate", "two images are equal")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("snipp", "no proxy named 'snipp'; did you mean 'snip'? (a hint)"),
        ("xyz", "no proxy named 'xyz'; known: snip, synflow (a hint)"),
    ],
)
def test_a_wrong_name_is_answered(name: str, expected: str) -> None:
    assert str(unknown("proxy", name, ["synflow", "snip"], "a hint")) == expected
    assert str(unknown("proxy", "synflo", iter(["synflow"]))).endswith("did you mean 'synflow'?")
