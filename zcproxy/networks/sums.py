"""Sums of slices of several stacked tensors: two kernels per rank of terms, however many sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

__all__ = ["Sums", "Term"]

Term = tuple[int, int, int]
"""One summand: (number of the tensor, slice of it, how often)."""


@dataclass(frozen=True)
class _Step:
    """Terms of one tensor that go to different sums; `factors` is None where all are one."""

    tensor: int
    slices: Tensor
    sums: Tensor
    factors: Tensor | None


class Sums:
    r"""Sums y_s of n x_p[:, i] over terms (p, i, n), for stacked tensors x_p (N, S_p, ...).

    The result is (N, S, ...). Every sum is taken in the order of its terms, one after the other,
    so it has the same bits whatever stands beside it and on every device. Linear, and may be
    differentiated as often as one likes.

    Args:
        terms: of every sum, in the order in which they are added.
        sizes: S_p of every tensor.
    """

    def __init__(self, terms: Sequence[Sequence[Term]], sizes: Sequence[int]) -> None:
        self.terms = tuple(tuple(each) for each in terms)
        self.sizes = tuple(sizes)
        self._steps: dict[torch.device, list[_Step]] = {}

    def __call__(self, *tensors: Tensor) -> Tensor:
        """The sums over tensors, one for each of `sizes`."""
        if self._passes is not None:
            return tensors[self._passes]
        result: Tensor = _Sum.apply(self, *tensors)  # type: ignore[no-untyped-call]
        return result

    @cached_property
    def used(self) -> frozenset[int]:
        """The tensors that have a part in any sum."""
        return frozenset(tensor for each in self.terms for tensor, _, _ in each)

    @cached_property
    def _passes(self) -> int | None:
        """The tensor that is the result as it is, if there is one."""
        for tensor, size in enumerate(self.sizes):
            if self.terms == tuple(((tensor, i, 1),) for i in range(size)):
                return tensor
        return None

    @cached_property
    def transposed(self) -> dict[int, Sums]:
        """For every tensor that is used, the sums that its gradient is, from the gradient of y."""
        found: dict[int, list[list[Term]]] = {
            tensor: [[] for _ in range(self.sizes[tensor])] for tensor in sorted(self.used)
        }
        for number, each in enumerate(self.terms):
            for tensor, index, times in each:
                found[tensor][index].append((0, number, times))
        size = [len(self.terms)]
        return {tensor: Sums(terms, size) for tensor, terms in found.items()}

    def added(self, tensors: Sequence[Tensor]) -> Tensor:
        """The sums, computed; not to be differentiated."""
        steps = self._steps_on(tensors[0].device)
        first, *others = steps
        if len(first.sums) == len(self.terms):  # in order: every sum has a first term there
            result = _terms(first, tensors)
        else:
            shape = (len(tensors[0]), len(self.terms), *tensors[0].shape[2:])
            result, others = tensors[0].new_zeros(shape), steps
        for step in others:
            result.index_add_(1, step.sums, _terms(step, tensors))
        return result

    def _steps_on(self, device: torch.device) -> list[_Step]:
        """What to add on a device, step by step; moved there once."""
        if device not in self._steps:
            self._steps[device] = [_step(terms, device) for terms in self._ordered]
        return self._steps[device]

    @cached_property
    def _ordered(self) -> list[list[tuple[int, Term]]]:
        """Terms in such an order that each sum meets its own in theirs, and no step a sum twice."""
        steps: list[list[tuple[int, Term]]] = []
        reached = [-1] * len(self.terms)
        for rank in range(max(map(len, self.terms))):
            for number, each in enumerate(self.terms):
                if rank < len(each):
                    reached[number] = _place(steps, each[rank][0], reached[number] + 1)
                    steps[reached[number]].append((number, each[rank]))
        return steps


def _step(terms: Sequence[tuple[int, Term]], device: torch.device) -> _Step:
    times = [n for _, (_, _, n) in terms]
    return _Step(
        terms[0][1][0],
        torch.tensor([index for _, (_, index, _) in terms], device=device),
        torch.tensor([number for number, _ in terms], device=device),
        None if set(times) == {1} else torch.tensor(times, device=device),
    )


def _place(steps: list[list[tuple[int, Term]]], tensor: int, start: int) -> int:
    """The first step of a tensor from `start` on; a new one where there is none."""
    for place in range(start, len(steps)):
        if steps[place][0][1][0] == tensor:
            return place
    steps.append([])
    return len(steps) - 1


def _terms(step: _Step, tensors: Sequence[Tensor]) -> Tensor:
    found = tensors[step.tensor].index_select(1, step.slices)
    if step.factors is None:
        return found
    return found.mul_(step.factors.view(1, -1, *[1] * (found.dim() - 2)))


class _Sum(Function):
    @staticmethod
    def forward(ctx: Any, sums: Sums, *tensors: Tensor) -> Tensor:
        ctx.sums = sums
        return sums.added(tensors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        sums: Sums = ctx.sums
        gradients = [
            sums.transposed[tensor](gradient)
            if tensor in sums.used and ctx.needs_input_grad[1 + tensor]
            else None
            for tensor in range(len(sums.sizes))
        ]
        return (None, *gradients)
