"""One training against a loop written by hand, and what it must leave alone."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zcproxy.datasets import Images
from zcproxy.errors import InputError
from zcproxy.training import Recipe, accuracy, fit, shifted, train

RECIPE = Recipe(epochs=3, batch=4, learning_rate=0.3, weight_decay=0.01)


def images(dtype: torch.dtype = torch.float64) -> Images:
    """Ten training and seven test images of 4x4 pixels in three classes."""
    generator = torch.Generator().manual_seed(5)

    def pixels(count: int) -> Tensor:
        return torch.randn(count, 1, 4, 4, generator=generator, dtype=torch.float64).to(dtype)

    return Images(
        pixels(10), torch.arange(10) % 3, pixels(7), torch.arange(7) % 3, 3, "tiny", "made here"
    )


def linear(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).to(dtype)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.linspace(-0.5, 0.5, parameter.numel()).view_as(parameter))
    return network


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -2), (1, -1)])
def test_shifted_moves_every_pixel(down: int, right: int) -> None:
    pictures = torch.arange(24.0).view(2, 1, 3, 4) - 7
    expected = torch.full_like(pictures, -7.0)
    for i in range(3):
        for j in range(4):
            if 0 <= i + down < 3 and 0 <= j + right < 4:
                expected[:, :, i + down, j + right] = pictures[:, :, i, j]
    assert torch.equal(shifted(pictures, down, right), expected)


def test_fit_is_nesterov_momentum_with_cosine_decay() -> None:
    data, network = images(), linear()
    weight, bias = (p.detach().clone() for p in network.parameters())
    fit(network, data, RECIPE, seed=3)

    generator = torch.Generator().manual_seed(3)
    offsets = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    momentum = [torch.zeros_like(weight), torch.zeros_like(bias)]
    step = 0
    for _ in range(3):
        order = torch.randperm(10, generator=generator)
        for chosen in (order[:4], order[4:8]):
            which = torch.randint(9, (4,), generator=generator)
            moved = [
                shifted(data.train_inputs, *offsets[w])[c].flatten()
                for w, c in zip(which, chosen, strict=True)
            ]
            x, y = torch.stack(moved), data.train_targets[chosen]
            error = torch.softmax(x @ weight.T + bias, 1) - torch.eye(3, dtype=x.dtype)[y]
            rate = 0.3 * 0.5 * (1 + math.cos(math.pi * step / 6))
            for i, (p, g) in enumerate([(weight, error.T @ x / 4), (bias, error.mean(0))]):
                g = g + 0.01 * p
                momentum[i] = g if step == 0 else 0.9 * momentum[i] + g
                p -= rate * (g + 0.9 * momentum[i])
            step += 1
    got = [p.detach() for p in network.parameters()]
    torch.testing.assert_close(got[0], weight, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(got[1], bias, rtol=1e-10, atol=1e-12)


def test_accuracy_counts_every_shifted_copy() -> None:
    data, network = images(), linear()
    right = 0
    for offset in [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]:
        moved = shifted(data.test_inputs, *offset)
        for picture, target in zip(moved, data.test_targets, strict=True):
            right += int(network(picture[None]).argmax() == target)
    assert accuracy(network, data, 1) == pytest.approx(100 * right / 35, abs=1e-12)
    assert accuracy(network, data) != accuracy(network, data, 1)


def test_a_training_learns() -> None:
    data = images()
    known = Images(
        data.train_inputs, data.train_targets, data.train_inputs, data.train_targets, 3, "", ""
    )
    network = linear()
    before = accuracy(network, known)
    fit(network, known, Recipe(epochs=60, batch=5, learning_rate=0.3, shift=0), seed=0)
    assert before < 60
    assert accuracy(network, known) == 100


def test_batch_norm_gets_the_means_over_training_images() -> None:
    data = images()
    norm = nn.BatchNorm2d(1, dtype=torch.float64)
    network = nn.Sequential(norm, *linear())
    fit(network, data, Recipe(epochs=1, batch=2), seed=1)

    offsets = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    seen = torch.stack(
        [shifted(data.train_inputs, *offsets[i % 9])[i] for i in range(10)]
    )  # in batches of 4 * 2
    means = [seen[:8].mean(), seen[8:].mean()]
    variances = [seen[:8].var(), seen[8:].var()]
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean()[None])
    torch.testing.assert_close(norm.running_var, torch.stack(variances).mean()[None])
    assert norm.momentum == 0.1


def test_a_seed_fixes_the_bits_and_another_gives_others() -> None:
    weights = []
    for seed in (0, 0, 1):
        network = linear(torch.float32)
        fit(network, images(torch.float32), RECIPE, seed)
        weights.append([p.detach().clone() for p in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not torch.equal(weights[0][0], weights[2][0])


def test_global_randomness_and_mode_are_as_before() -> None:
    network = linear().eval()
    states = (torch.get_rng_state(), random.getstate(), _numpy_state())
    train(network, images(), RECIPE, 0)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert _numpy_state() == states[2]
    assert not network.training


def _numpy_state() -> str:
    return str(np.random.get_state(legacy=False))


def test_train_gives_the_accuracy_after_training() -> None:
    network = linear()
    got = train(network, images(), RECIPE, 2)
    assert got == accuracy(network, images(), RECIPE.shift)
    assert 0 <= got <= 100


def test_fewer_images_than_a_batch_is_an_error() -> None:
    with pytest.raises(InputError, match="10 training images make no batch of 11"):
        train(linear(), images(), Recipe(batch=11), 0)
