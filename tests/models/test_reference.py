"""What `--model` may name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from zcproxy import spaces
from zcproxy.errors import InputError
from zcproxy.models.reference import build

OWN = """
import torch
from torch import nn

def plain():
    return nn.Linear(4, 2)

def sized(classes, image, width=3):
    return nn.Linear(image * image, classes * width)

def broken():
    raise RuntimeError("no luck\\nat all")

def leaving():
    raise SystemExit(3)

def wrong():
    return 7

ready = nn.Linear(2, 2)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_models_here.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("own_models_here", None)
    return "own_models_here"


def made(reference: str, seed: int = 0) -> nn.Module:
    return build(reference, 5, (1, 6, 6), seed)


def test_a_function_gets_what_its_signature_names(own: str) -> None:
    network = made(f"{own}:sized")
    assert (network.in_features, network.out_features) == (36, 15)


def test_a_seed_fixes_the_weights_of_a_function(own: str) -> None:
    state = torch.get_rng_state()
    one, same, other = (made(f"{own}:plain", seed).weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken", "failed: RuntimeError: no luck$"),
        ("leaving", "failed: SystemExit: 3"),
        ("wrong", "gave a int, not a torch.nn.Module"),
        ("ready", "is a Linear, not a function; every seed needs a network of its own"),
        ("missing", "cannot import"),
    ],
)
def test_wrong_functions(own: str, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        made(f"{own}:{name}")


def test_built_in_models_and_cells() -> None:
    assert build("vgg11@2", 3, (2, 16, 16), 0)(torch.zeros(2, 2, 16, 16)).shape == (2, 3)
    architecture = spaces.get("digits201").architectures()[1462]
    network = build(f"digits201/{architecture}", 10, (1, 8, 8), 4)
    same = spaces.get("digits201").network(architecture, seed=4, live=True)
    pairs = zip(network.parameters(), same.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_images_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="square images, not 4x6"):
        build("vgg11", 3, (3, 4, 6), 0)
    with pytest.raises(InputError, match="lenet5 takes images of 16x16 and more, not 8x8"):
        build("lenet5", 3, (1, 8, 8), 0)
    with pytest.raises(InputError, match="no model named 'vgg12'"):
        build("vgg12", 3, (3, 32, 32), 0)
