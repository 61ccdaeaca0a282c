"""Paths through the graph that autograd keeps of a forward pass."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

__all__ = ["longest_path", "reached"]

_PRODUCTS = frozenset(
    f"{name}Backward" for name in ("Convolution", "Addmm", "Mm", "Bmm", "Baddbmm", "Linear", "Mv")
)


def longest_path(output: Any, inputs: Collection[int], weights: Collection[int]) -> int:
    """Most layers on one path from an input to the output; 0 without a path.

    A layer is an operation that takes a weight as it is, or transposed or otherwise reshaped, and
    something that depends on an input; of convolutions and matrix products also one that takes
    what was made of a weight without the input, such as a standardized weight. One that is used
    twice counts twice.

    Args:
        output: the node of the graph that gave the output; None where nothing is differentiable.
        inputs: identities (`id`) of the leaves a path begins at; without any, it may begin at any
            leaf that is no weight, such as the table of an embedding.
        weights: identities of the weights of layers.
    """
    depths: dict[Any, int | None] = {}
    made: set[Any] = set()  # of weights, without an input
    for node in _sources_first(output):
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            starts = id(leaf) in inputs if inputs else id(leaf) not in weights
            depths[node] = 0 if starts else None
            if id(leaf) in weights and not starts:
                made.add(node)
            continue
        sources = _sources(node)
        reached = [depth for source in sources if (depth := depths[source]) is not None]
        if reached:
            carries = any(_is_weight(source, weights) for source in sources)
            carries = carries or (_multiplies(node) and not made.isdisjoint(sources))
            depths[node] = max(reached) + carries
        else:
            depths[node] = None
            if not made.isdisjoint(sources):
                made.add(node)
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


def _multiplies(node: Any) -> bool:
    """Whether a node is that of a convolution or of a product with a matrix."""
    return node.name().removesuffix("0") in _PRODUCTS


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
