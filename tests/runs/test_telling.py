"""How far trainings are, on a clock that the test moves."""

from __future__ import annotations

import pytest

from zcproxy.runs import telling
from zcproxy.runs.telling import Progress, Teller


def test_the_rest_takes_as_long_as_what_was_done_now(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(telling.time, "monotonic", lambda: now[0])
    states: list[Progress] = []
    tell = Teller(4, 10, states.append)
    now[0] += 6
    tell(2)
    now[0] += 6
    tell(1)
    assert states == [Progress(4, 10, None), Progress(6, 10, 12.0), Progress(7, 10, 12.0)]


def test_nobody_need_listen() -> None:
    Teller(0, 1, None)(1)
