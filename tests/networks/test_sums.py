"""Sums of slices against loops, and their derivatives against differences."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from zcproxy.networks.sums import Sums, Term

TERMS: list[list[Term]] = [
    [(0, 0, 1), (1, 2, 2), (0, 1, 1)],
    [(1, 0, 3)],
    [(0, 1, 1), (1, 2, 1), (1, 1, 1), (0, 1, 2)],
]


def tensors(sizes: tuple[int, ...] = (2, 3)) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, s, 3, generator=generator, dtype=torch.float64) for s in sizes]


def by_loops(terms: list[list[Term]], given: list[Tensor]) -> Tensor:
    sums = []
    for each in terms:
        total = torch.zeros_like(given[0][:, 0])
        for tensor, index, times in each:
            total = total + times * given[tensor][:, index]
        sums.append(total)
    return torch.stack(sums, 1)


def test_sums_are_those_of_a_loop_to_the_bit() -> None:
    given = tensors()
    found = Sums(TERMS, [2, 3])(*given)
    assert torch.equal(found, by_loops(TERMS, given))
    changed = [*TERMS[:2], [*TERMS[2][:3], (0, 1, 1)]]
    assert not torch.equal(found, by_loops(changed, given))


def test_random_sums_are_those_of_a_loop() -> None:
    generator = random.Random(1)
    sizes = (4, 3, 5)
    given = tensors(sizes)
    for _ in range(50):
        places = [(t, i, n) for t, s in enumerate(sizes) for i in range(s) for n in (1, 2)]
        terms = [generator.sample(places, generator.randint(1, 6)) for _ in range(7)]
        assert torch.equal(Sums(terms, sizes)(*given), by_loops(terms, given))


@pytest.mark.parametrize("order", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])
def test_derivatives_are_differences(order: object) -> None:
    assert callable(order)
    sums = Sums(TERMS, [2, 3])
    assert order(sums, [t.requires_grad_() for t in tensors()])


def test_a_tensor_without_a_part_has_no_gradient() -> None:
    first, second = (t.requires_grad_() for t in tensors())
    result = Sums([[(1, 0, 1)], [(1, 0, 1), (1, 1, 1)]], [2, 3])(first, second)
    gradients = torch.autograd.grad(result.sum(), [first, second], allow_unused=True)
    assert gradients[0] is None
    assert gradients[1] is not None
    assert gradients[1][0, :, 0].tolist() == [2, 1, 0]


def test_what_changes_nothing_copies_nothing() -> None:
    first, second = tensors()
    assert Sums([[(0, 0, 1)], [(0, 1, 1)]], [2, 3])(first, second) is first
    assert Sums([[(0, 1, 1)], [(0, 0, 1)]], [2, 3])(first, second) is not first
    assert Sums([[(0, 0, 1)], [(0, 1, 2)]], [2, 3])(first, second) is not first
