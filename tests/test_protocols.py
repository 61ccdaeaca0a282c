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
    assert protocols.names() == ["abdelfattah2021", "clean", "tanaka2020"]
    assert fields("clean") == {
        "name": "clean",
        "attention": True,
        "reached": True,
        "linearized": "all",
        "training": True,
    }
    assert fields("abdelfattah2021") == {
        "name": "abdelfattah2021",
        "attention": False,
        "reached": False,
        "linearized": "batch",
        "training": True,
    }
    assert fields("tanaka2020") == {
        "name": "tanaka2020",
        "attention": False,
        "reached": True,
        "linearized": "none",
        "training": False,
    }


def test_a_protocol_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        protocols.get("clean").reached = False  # type: ignore[misc]


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'abdelfattah2021'"):
        protocols.get("abdelfatah2021")


@pytest.mark.parametrize("index", [0, 1, 100])
def test_protocols_agree_on_live_networks_of_the_benchmark(index):
    import torch

    from zcproxy import proxies, scoring, spaces

    space = spaces.get("digits201")
    network = space.network(space.subset("live")[index], live=True)
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(8, 1, 8, 8, generator=generator), torch.arange(8)
    clean, theirs = (
        scoring.measure(network, *batch, proxies.names(), protocol)
        for protocol in ("clean", "abdelfattah2021")
    )
    assert {name: result.value for name, result in clean.items()} == {
        name: result.value for name, result in theirs.items()
    }
