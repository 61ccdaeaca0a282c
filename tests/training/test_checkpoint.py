"""A training that is killed goes on to the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from zcproxy import models
from zcproxy.datasets import Images
from zcproxy.errors import InputError
from zcproxy.pruning import Mask
from zcproxy.training import Recipe, fit, loop

RECIPE = Recipe(epochs=4, batch=5, learning_rate=0.1, shift=1, flip=True)


def images() -> Images:
    generator = torch.Generator().manual_seed(5)
    train, test = (torch.randn(n, 3, 16, 16, generator=generator) for n in (12, 4))
    return Images(train, torch.arange(12) % 3, test, torch.arange(4) % 3, 3, "tiny", "made here")


def network() -> nn.Module:
    """Convolutions, batch norm and dropout, so that every kind of state and randomness is there."""
    return nn.Sequential(
        models.get("vgg11@2")(classes=6, in_channels=3, image=16, seed=1),
        nn.Dropout(0.5),
        nn.Linear(6, 3, bias=False),
    ).requires_grad_(True)


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)


def fixed() -> nn.Module:
    made = network()
    with torch.no_grad():
        made[2].weight.copy_(torch.linspace(-1, 1, 18).view(3, 6))
    return made


def mask_of(made: nn.Module) -> Mask:
    generator = torch.Generator().manual_seed(0)
    name = "0.features.conv4.weight"
    weight = dict(made.named_parameters())[name]
    return Mask({name: torch.rand(weight.shape, generator=generator) < 0.3})


def killed(made: nn.Module, path: Path, recipe: Recipe, after: int, mask: Mask | None) -> None:
    def stop(done: int, total: int) -> None:
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(made, images(), recipe, 3, mask=mask, checkpoint=path, progress=stop)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_killed_training_ends_with_the_same_bits(
    tmp_path: Path, optimizer: str, masked: bool
) -> None:
    recipe = Recipe(**{**vars(RECIPE), "optimizer": optimizer, "learning_rate": 0.01})
    mask = mask_of(fixed()) if masked else None
    whole = fixed()
    fit(whole, images(), recipe, 3, mask=mask)
    path = tmp_path / "new" / "c.safetensors"
    for after in (1, 3):
        killed(fixed(), path, recipe, after, mask)
        assert path.exists()
    resumed, told = fixed(), []
    fit(
        resumed,
        images(),
        recipe,
        3,
        mask=mask,
        checkpoint=path,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(3, 4), (4, 4)]
    expected = whole.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in resumed.state_dict().items())
    assert [p.name for p in path.parent.iterdir()] == []
    if mask is not None:
        mask.verify(resumed)


def test_a_mask_changes_the_training_and_holds() -> None:
    free, held = fixed(), fixed()
    fit(free, images(), RECIPE, 3)
    mask = mask_of(held)
    fit(held, images(), RECIPE, 3, mask=mask)
    mask.verify(held)
    name = "0.features.conv4.weight"
    weight = dict(held.named_parameters())[name]
    assert not weight[~mask[name]].any()
    assert not torch.equal(weight, dict(free.named_parameters())[name])
    fit(held, images(), RECIPE, 4)  # the mask is detached: weights come back
    assert dict(held.named_parameters())[name][~mask[name]].any()


@pytest.mark.parametrize("other", ["seed", "recipe", "mask", "weights"])
def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path, other: str) -> None:
    path = tmp_path / "c.safetensors"
    killed(fixed(), path, RECIPE, 2, None)
    made = network() if other == "weights" else fixed()
    recipe = Recipe(**{**vars(RECIPE), "momentum": 0.8}) if other == "recipe" else RECIPE
    mask = mask_of(made) if other == "mask" else None
    with pytest.raises(InputError, match="of another training"):
        fit(made, images(), recipe, 4 if other == "seed" else 3, mask=mask, checkpoint=path)
    assert path.exists()


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    killed(fixed(), path, RECIPE, 2, None)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="no whole checkpoint"):
        fit(fixed(), images(), RECIPE, 3, checkpoint=path)


def test_dropout_needs_no_global_seed_and_leaves_none(tmp_path: Path) -> None:
    states, weights = [], []
    for seed in (1, 2):
        torch.manual_seed(seed)
        made = fixed()
        state = torch.get_rng_state()
        fit(made, images(), RECIPE, 3)
        states.append(torch.equal(torch.get_rng_state(), state))
        weights.append(made[2].weight.detach())
    assert states == [True, True]
    assert torch.equal(*weights)


class Dice(nn.Module):
    """Keeps a random number of every forward pass in training."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.thrown: list[float] = []

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.thrown.append(float(torch.rand(1)))
        return self.weight * inputs.mean((1, 2, 3))[:, None] * torch.ones(3)


def test_randomness_in_the_network_is_new_in_every_epoch_and_the_same_after_a_kill(
    tmp_path: Path,
) -> None:
    whole, first, second = Dice(), Dice(), Dice()
    fit(whole, images(), RECIPE, 3)
    assert len(set(whole.thrown)) == len(whole.thrown) == 4 * 2
    killed(first, tmp_path / "c.safetensors", RECIPE, 3, None)
    fit(second, images(), RECIPE, 3, checkpoint=tmp_path / "c.safetensors")
    assert first.thrown + second.thrown == whole.thrown
    other = Dice()
    fit(other, images(), RECIPE, 4)
    assert not set(other.thrown) & set(whole.thrown)
