"""Protocols: frozen, named, pinned."""

from __future__ import annotations

import dataclasses

import pytest

from zcproxy import protocols
from zcproxy.errors import InputError


def fields(name: str) -> dict[str, object]:
    """All that changes values; the summary is words."""
    return {k: v for k, v in dataclasses.asdict(protocols.get(name)).items() if k != "summary"}


def test_the_protocols_are_pinned() -> None:
    assert protocols.names() == ["abdelfattah2021", "clean"]
    assert fields("clean") == {
        "name": "clean",
        "attention": True,
        "reached": True,
        "linearized": "all",
    }
    assert fields("abdelfattah2021") == {
        "name": "abdelfattah2021",
        "attention": False,
        "reached": False,
        "linearized": "batch",
    }


def test_a_protocol_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        protocols.get("clean").reached = False  # type: ignore[misc]


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'abdelfattah2021'"):
        protocols.get("abdelfatah2021")
