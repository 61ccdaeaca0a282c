"""How large the networks of NAS-Bench-101 are on average, from the definition of the space.

    python benchmarks/nasbench101_sizes.py    # about a minute

Source of the definition: Ying et al. 2019, arXiv 1902.09635, sections 2.1 to 2.3: a stem of 128
channels, three stacks of three modules at 32x32, 16x16 and 8x8 with 128, 256 and 512 channels; a
module is a graph of at most 7 vertices and 9 edges with three operations. Labeled graphs are drawn
uniformly and weighted by one over the number of labelings of the same module, so every module
counts once. The sum of the weights estimates the size of the space, which is known to be 423,624:
that is the check. A million graphs per number of vertices come within some 3 % of it. Interior
vertices share out the output's channels; every edge from the input passes a 1x1 projection.
"""

from __future__ import annotations

import argparse
import itertools
import random
from collections.abc import Iterator, Sequence

KNOWN = 423_624
OPERATIONS = {"conv3x3": 9, "conv1x1": 1, "maxpool3x3": 0}
"""Weights per pair of channels."""

STAGES = ((128, 128, 32), (128, 256, 16), (256, 512, 8))
"""Channels into the first module, channels out of all, and side of the images, per stack."""

Edges = frozenset[tuple[int, int]]


def main() -> None:
    """Print the estimated size of the space and the mean size of its networks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sample", type=int, default=1_000_000, help="graphs drawn per size")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    count = activations = flops = 0.0
    draw = random.Random(arguments.seed)
    for vertices in range(2, 8):
        for edges, names, weight in modules(vertices, arguments.sample, draw):
            outputs, products = size(vertices, edges, names)
            count += weight
            activations += weight * outputs
            flops += weight * products
    print(f"modules              {count:,.0f} (known: {KNOWN:,})")
    print(f"activations, mean    {activations / count / 1e6:.3f} million per image")
    print(f"multiply-adds, mean  {flops / count / 1e9:.3f} billion per image")


def modules(
    vertices: int, sample: int, draw: random.Random
) -> Iterator[tuple[Edges, tuple[str, ...], float]]:
    """Modules with all vertices alive, and how many modules of the space each stands for."""
    pairs = list(itertools.combinations(range(vertices), 2))
    interior = range(1, vertices - 1)
    labeled = 2.0 ** len(pairs) * len(OPERATIONS) ** len(interior)
    for _ in range(sample):
        edges = frozenset(pair for pair in pairs if draw.random() < 0.5)
        if len(edges) > 9 or not alive(vertices, edges):
            continue
        names = tuple(draw.choice(list(OPERATIONS)) for _ in interior)
        yield edges, names, labeled / sample / labelings(vertices, edges, names)


def alive(vertices: int, edges: Edges) -> bool:
    """Whether every vertex lies on a path from the first to the last."""
    sources, targets = {s for s, _ in edges}, {t for _, t in edges}
    return sources == set(range(vertices - 1)) and targets == set(range(1, vertices))


def labelings(vertices: int, edges: Edges, names: Sequence[str]) -> int:
    """How many labeled graphs, edges from smaller to larger vertices, are this module."""
    found = set()
    for order in itertools.permutations(range(1, vertices - 1)):
        place = {0: 0, vertices - 1: vertices - 1} | {old: new for new, old in enumerate(order, 1)}
        moved = frozenset((place[s], place[t]) for s, t in edges)
        if all(s < t for s, t in moved):
            found.add((moved, tuple(names[old - 1] for old in order)))
    return len(found)


def size(vertices: int, edges: Edges, names: Sequence[str]) -> tuple[int, int]:
    """Numbers written by operations, and multiply-adds, of the whole network for one image."""
    outputs, products = 128 * 32 * 32, 9 * 3 * 128 * 32 * 32 + 512 * 10
    for first, channels, side in STAGES:
        for into in (first, channels, channels):
            written, multiplied = _module(vertices, edges, names, into, channels)
            outputs += written * side * side
            products += multiplied * side * side
    return outputs, products


def _module(
    vertices: int, edges: Edges, names: Sequence[str], into: int, channels: int
) -> tuple[int, int]:
    """As `size`, of one module for one pixel."""
    width = widths(vertices, edges, channels)
    written = multiplied = 0
    for target in range(1, vertices):
        if (0, target) in edges:
            written += width[target]
            multiplied += into * width[target]
        if target < vertices - 1:
            written += width[target]
            multiplied += OPERATIONS[names[target - 1]] * width[target] ** 2
    return written, multiplied


def widths(vertices: int, edges: Edges, channels: int) -> dict[int, int]:
    """Channels of all vertices but the input: shares of the output's, or the largest it feeds."""
    last = vertices - 1
    feeding = [v for v in range(1, last) if (v, last) in edges]
    width = {last: channels}
    for number, vertex in enumerate(feeding):
        width[vertex] = channels // len(feeding) + (number < channels % len(feeding))
    for vertex in reversed(range(1, last)):
        if vertex not in width:
            width[vertex] = max(width[t] for s, t in edges if s == vertex)
    return width


if __name__ == "__main__":
    main()
