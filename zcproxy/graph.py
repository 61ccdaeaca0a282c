"""Paths through the graph that autograd keeps of a forward pass."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

__all__ = ["longest_path", "reached"]


def longest_path(output: Any, inputs: Collection[int], weights: Collection[int]) -> int:
    """Most layers on one path from an input to the output; 0 without a path.

    A layer is an operation that takes a weight as it is, or transposed or otherwise reshaped, and
    something that depends on an input. One that is used twice counts twice.

    Args:
        output: the node of the graph that gave the output; None where nothing is differentiable.
        inputs: identities (`id`) of the leaves a path begins at; without any, it may begin at any
            leaf that is no weight, such as the table of an embedding.
        weights: identities of the weights of layers.
    """
    depths: dict[Any, int | None] = {}
    for node in _sources_first(output):
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            starts = id(leaf) in inputs if inputs else id(leaf) not in weights
            depths[node] = 0 if starts else None
            continue
        before = [depths[source] for source in _sources(node)]
        reached = [depth for depth in before if depth is not None]
        carries = any(_is_weight(source, weights) for source in _sources(node))
        depths[node] = max(reached) + carries if reached else None
    return depths.get(output) or 0


def reached(output: Any) -> set[Any]:
    """All nodes that the node of an output depends on, and itself; none for None."""
    pending = [output] if output else []
    seen: set[Any] = set(pending)
    while pending:
        for node, _ in pending.pop().next_functions:
            if node is not None and node not in seen:
                seen.add(node)
                pending.append(node)
    return seen


def _sources(node: Any) -> list[Any]:
    return [source for source, _ in node.next_functions if source is not None]


def _is_weight(node: Any, weights: Collection[int]) -> bool:
    """Whether a node gives a weight, through operations of one argument at most."""
    while not hasattr(node, "variable"):
        sources = _sources(node)
        if len(sources) != 1:
            return False
        node = sources[0]
    return id(node.variable) in weights


def _sources_first(output: Any) -> Iterator[Any]:
    """All nodes, each after those it depends on; without recursion, for graphs are deep."""
    pending = [] if output is None else [(output, False)]
    seen: set[Any] = set()
    while pending:
        node, done = pending.pop()
        if done:
            yield node
        elif node not in seen:
            seen.add(node)
            pending.append((node, True))
            pending.extend((source, False) for source in _sources(node))
