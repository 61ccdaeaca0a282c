"""Protocols: frozen, named, pinned."""

from __future__ import annotations

import dataclasses

import pytest

from zcproxy import protocols, spaces
from zcproxy.errors import InputError

TABLES = ["epe_nas", "fisher", "flops", "grad_norm", "grasp", "jacob_cov", "l2_norm", "nwot"]
TABLES += ["params", "plain", "snip", "synflow", "zen"]
"""What the published tables compare."""

SPACE = spaces.get("digits201")
ALL = SPACE.architectures()

CLEAN = {
    "attention": True,
    "reached": True,
    "linearized": "all",
    "training": True,
    "inputs": "images",
    "batch_size": 64,
    "initialization": "default",
    "release": None,
    "revision": 1,
}
LETTER = {"attention": False, "reached": False, "linearized": "batch"}
DEPARTURES = {
    "abdelfattah2021": LETTER,
    "aznas": {"inputs": "noise", "initialization": "kaiming"},
    "clean": {},
    "nas_bench_suite_zero": {**LETTER, "batch_size": 32, "release": "nbsz"},
    "tanaka2020": {
        "attention": False,
        "linearized": "none",
        "training": False,
        "initialization": "kaiming",
        "revision": 2,
    },
}


def test_the_protocols_are_pinned() -> None:
    """All that changes values; the summary is words."""
    assert protocols.names() == list(DEPARTURES)
    for name, departures in DEPARTURES.items():
        found = dataclasses.asdict(protocols.get(name))
        assert found.pop("name") == name
        assert found.pop("summary")
        assert found == CLEAN | departures


def test_a_protocol_is_told_in_words() -> None:
    text = protocols.description("aznas")
    assert "64 noise inputs; Kaiming's normal initialization; batch norm by the batch" in text
    text = protocols.description("nas_bench_suite_zero")
    assert "32 training images; PyTorch's initialization" in text
    assert "SynFlow without batch norm; compared with its own accuracies (nbsz)" in text
    text = protocols.description("abdelfattah2021")
    assert "cropped and flipped, ours are not: 64 training images; PyTorch's init" in text
    text = protocols.description("tanaka2020")
    assert "ours is one batch of images as they are: 64 training images; Kaiming's" in text
    assert len({protocols.description(name) for name in protocols.names()}) == len(DEPARTURES)


def test_the_batch_of_a_run_is_told_in_words() -> None:
    run = {"batch_size": 64, "dataset": "cifar10", "protocol": "aznas"}
    assert protocols.batch_in_words(run) == "64 noise inputs in the shape of cifar10"
    for protocol in ("clean", "of the future", None):
        told = protocols.batch_in_words({**run, "protocol": protocol})
        assert told == "64 images of cifar10"


def test_images_of_a_file_are_told_without_its_folder() -> None:
    run = {"batch_size": 4, "dataset": "/far/away/mine.npz", "protocol": "clean"}
    assert protocols.batch_in_words(run) == "4 images of mine.npz"


def test_a_protocol_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        protocols.get("clean").reached = False  # type: ignore[misc]


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'abdelfattah2021'"):
        protocols.get("abdelfatah2021")


@pytest.mark.parametrize("subset", ["live", "all"])
@pytest.mark.parametrize("index", [0, 1, 100])
@pytest.mark.parametrize("protocol", ["abdelfattah2021", "nas_bench_suite_zero"])
def test_protocols_agree_on_networks_of_the_benchmark(index, subset, protocol):
    """The published tables may be compared with scores of any of the three: see the data file."""
    import torch

    from zcproxy import proxies, scoring

    network = SPACE.network(SPACE.subset(subset)[index], live=True)
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(8, 1, 8, 8, generator=generator), torch.arange(8)
    names = [name for name in TABLES if name in proxies.names()]
    clean, theirs = (scoring.measure(network, *batch, names, how) for how in ("clean", protocol))
    assert outcomes(clean) == outcomes(theirs)


def outcomes(results):
    return {name: (result.value, result.failure) for name, result in results.items()}


def test_they_agree_on_disconnected_networks_but_for_the_norm_of_what_never_runs():
    import torch

    from zcproxy import proxies, scoring

    architecture = next(a for a in ALL if not SPACE.blueprint(a).connected)
    network = SPACE.network(architecture, live=True)
    batch = torch.randn(8, 1, 8, 8), torch.arange(8)
    names = [name for name in TABLES if name in proxies.names() and name != "l2_norm"]
    clean = scoring.measure(network, *batch, names, "clean")
    theirs = scoring.measure(network, *batch, names, "abdelfattah2021")
    assert outcomes(clean) == outcomes(theirs)
