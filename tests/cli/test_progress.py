"""Progress: lines now and then where nobody watches a terminal."""

from __future__ import annotations

import pytest

from zcproxy.cli import progress
from zcproxy.cli.progress import Lines, bar, duration


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, to be set."""
    moment = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: moment[0])
    return moment


MOMENTS = [(0, 100.0), (1, 110.0), (2, 131.0), (3, 132.0), (4, 133.0)]


@pytest.mark.parametrize(("at_once", "told"), [(True, "024"), (False, "24")])
def test_lines_come_now_and_then(
    capsys: pytest.CaptureFixture[str], now: list[float], at_once: bool, told: str
) -> None:
    tell = Lines(at_once)
    for done, now[0] in MOMENTS:
        tell(str(done), last=done == 4)
    captured = capsys.readouterr()
    assert captured.err.splitlines() == list(told)
    assert captured.out == ""


def test_a_bar_without_a_terminal_is_lines(
    capsys: pytest.CaptureFixture[str], now: list[float]
) -> None:
    with bar("correlating") as show:
        for done, now[0] in MOMENTS:
            show(1000 * done, 4000)
    assert capsys.readouterr().err.splitlines() == [
        "correlating: 2,000/4,000",
        "correlating: 4,000/4,000",
    ]
    with bar("fetch", words=lambda size: f"{size} B") as show:
        now[0] += 40
        show(7, 0)
    assert capsys.readouterr().err.splitlines() == ["fetch: 7 B"]


def test_what_is_quick_prints_nothing(capsys: pytest.CaptureFixture[str], now: list[float]) -> None:
    with bar("correlating") as show:
        for done in range(12):
            show(done + 1, 12)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (11_100, "3 h 05 min")],
)
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text
