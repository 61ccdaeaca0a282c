"""Recipes: schedules, optimizers, and descriptions that later fields do not change."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from zcproxy.errors import InputError
from zcproxy.training import Recipe


def test_the_first_fields_describe_a_recipe_alone() -> None:
    assert Recipe().described() == {
        "epochs": 4,
        "batch": 50,
        "learning_rate": 0.05,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "shift": 1,
    }
    assert Recipe(flip=True, optimizer="adam").described() == {
        **Recipe().described(),
        "flip": True,
        "optimizer": "adam",
    }


def test_rates_by_hand() -> None:
    cosine = Recipe(learning_rate=0.4)
    assert [cosine.rate(s, 4) for s in range(4)] == pytest.approx(
        [0.4, 0.2 * (1 + math.sqrt(0.5)), 0.2, 0.2 * (1 - math.sqrt(0.5))]
    )
    step = Recipe(learning_rate=1.0, schedule="step", milestones=(0.5, 0.75))
    assert [step.rate(s, 8) for s in range(8)] == pytest.approx([1] * 4 + [0.1] * 2 + [0.01] * 2)
    assert Recipe(learning_rate=0.3, schedule="constant").rate(7, 8) == 0.3


def test_optimizers() -> None:
    network = nn.Linear(2, 2)
    network.bias.requires_grad_(False)
    adam = Recipe(optimizer="adam", momentum=0.8, learning_rate=1e-3).optimizer_of(network)
    assert isinstance(adam, torch.optim.Adam)
    assert adam.param_groups[0]["betas"] == (0.8, 0.999)
    assert adam.param_groups[0]["params"] == [network.weight]
    sgd = Recipe(momentum=0.0).optimizer_of(network)
    assert isinstance(sgd, torch.optim.SGD)
    assert not sgd.param_groups[0]["nesterov"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"optimizer": "adm"}, "did you mean 'adam'"),
        ({"schedule": "cos"}, "no schedule named 'cos'"),
        ({"batch": 0}, "batch >= 1"),
        ({"shift": -1}, "shift >= 0"),
    ],
)
def test_wrong_recipes(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Recipe(**wrong)
