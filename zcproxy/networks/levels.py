"""Which operations of several cells can run together: plain data, no torch.

Operations of one kind whose inputs lie equally deep form a group. The values of a group are slices
of one tensor; tensor 0 holds the inputs of the cells, tensor i what group i - 1 gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zcproxy.blueprint import Cell, Value

__all__ = ["Group", "Plan", "plan"]

Place = tuple[int, int]
"""Where a value is: (tensor, slice)."""


@dataclass(frozen=True)
class Group:
    """Operations of one kind that run together.

    Attributes:
        name: the kind.
        owners: for every operation its cell, and its number among that cell's operations.
        sources: for every operation the terms (tensor, slice, how often) of its input's sum.
    """

    name: str
    owners: tuple[tuple[int, int], ...]
    sources: tuple[tuple[tuple[int, int, int], ...], ...]


@dataclass(frozen=True)
class Plan:
    """Groups in an order in which they can run, and the terms of what leaves every cell."""

    groups: tuple[Group, ...]
    outputs: tuple[tuple[tuple[int, int, int], ...], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Slices of every tensor."""
        return (len(self.outputs), *(len(group.owners) for group in self.groups))


def plan(cells: Sequence[Cell]) -> Plan:
    """Level by level, the operations of connected cells that run together.

    Within a sum, terms keep the order of the cell's atoms, so that sums are rounded as they are in
    the cell alone.
    """
    places: list[dict[int, Place]] = [{0: (0, number)} for number in range(len(cells))]
    groups: list[Group] = []
    for owners in _ordered(cells):
        sources = []
        for index, (number, operation) in enumerate(owners):
            source = cells[number].operations[operation].source
            sources.append(_terms(source, places[number]))
            places[number][operation + 1] = (len(groups) + 1, index)
        name = cells[owners[0][0]].operations[owners[0][1]].name
        groups.append(Group(name, owners, tuple(sources)))
    outputs = [_terms(cell.output, known) for cell, known in zip(cells, places, strict=True)]
    return Plan(tuple(groups), tuple(outputs))


def _ordered(cells: Sequence[Cell]) -> list[tuple[tuple[int, int], ...]]:
    """The owners of every group, by level and name."""
    found: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for number, cell in enumerate(cells):
        for index, level in enumerate(_levels(cell)):
            found.setdefault((level, cell.operations[index].name), []).append((number, index))
    return [tuple(found[key]) for key in sorted(found)]


def _levels(cell: Cell) -> list[int]:
    """How deep every operation of a cell lies, from one."""
    levels = [0]
    for operation in cell.operations:
        levels.append(1 + max(levels[atom] for atom, _ in operation.source))
    return levels[1:]


def _terms(value: Value, places: dict[int, Place]) -> tuple[tuple[int, int, int], ...]:
    return tuple((*places[atom], times) for atom, times in value)
