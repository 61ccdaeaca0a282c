"""Canonical cells against a network that executes the raw graph, edge by edge."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from zcproxy import blueprint, spaces
from zcproxy.blueprint import Blueprint, canonical_cell, dead_operations

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
SHORT = {
    "none": "none",
    "skip_connect": "skip",
    "nor_conv_1x1": "conv1x1",
    "nor_conv_3x3": "conv3x3",
    "avg_pool_3x3": "avgpool3x3",
}
SPACE = spaces.get("nasbench201")
Weights = tuple[Tensor, Tensor, Tensor]


def operations_of(architecture: str) -> list[str]:
    """The six operations, read by splitting the string."""
    return [part.split("~")[0] for part in architecture.replace("+", "").split("|") if part]


def convolutions_of(architecture: str) -> list[str]:
    return [op for op in operations_of(architecture) if op.startswith("nor_conv")]


def random_weights(operation: str, generator: torch.Generator, width: int = 2) -> Weights:
    """A convolution and an affine batch norm, all random."""
    size = 3 if operation.endswith("3x3") else 1
    shapes = [(width, width, size, size), (width,), (width,)]
    kernel, scale, shift = (
        torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes
    )
    return kernel, scale, shift


def apply(operation: str, x: Tensor, weights: Weights | None) -> Tensor:
    if operation == "none":
        return torch.zeros_like(x)
    if operation == "skip_connect":
        return x
    if operation == "avg_pool_3x3":
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    assert weights is not None
    kernel, scale, shift = weights
    y = F.conv2d(F.relu(x), kernel, padding=kernel.shape[-1] // 2)
    mean, variance = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), unbiased=False, keepdim=True)
    return (y - mean) / (variance + 1e-5).sqrt() * scale.view(-1, 1, 1) + shift.view(-1, 1, 1)


def raw_cell(
    architecture: str, x: Tensor, weights: list[Weights], shift_of_nothing: bool = False
) -> Tensor:
    """The string, literally: one operation per edge, `weights` for its convolutions in order.

    What nothing reaches gives nothing, unless the shifts of batch norms there are wanted too.
    """
    remaining = iter(weights)
    nodes = [x, *[torch.zeros_like(x)] * 3]
    reached = {0}
    for (source, target), op in zip(EDGES, operations_of(architecture), strict=True):
        own = next(remaining) if op.startswith("nor_conv") else None
        if op != "none" and source in reached:
            reached.add(target)
        elif not shift_of_nothing:
            continue
        nodes[target] = nodes[target] + apply(op, nodes[source], own)
    return nodes[3]


def some_assignment_agrees(one: str, other: str, seed: int = 0) -> bool:
    """Whether a mapping of the weights of `other` gives the output of `one`, dead ones included.

    Where `one` has fewer convolutions than `other`, all choices for the others are new weights;
    so both must have equal operations here.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 2, 4, 4, generator=generator, dtype=torch.float64)
    names = convolutions_of(one)
    assert Counter(names) == Counter(convolutions_of(other))
    weights = [random_weights(op, generator) for op in names]
    expected = raw_cell(one, x, weights)
    for order in itertools.permutations(range(len(names))):
        if [names[i] for i in order] != convolutions_of(other):
            continue
        found = raw_cell(other, x, [weights[i] for i in order])
        if torch.allclose(found, expected, rtol=1e-9, atol=1e-9):
            return True
    return False


def edges_of(architecture: str) -> tuple[tuple[int, int, str], ...]:
    names = operations_of(architecture)
    return tuple((s, t, SHORT[op]) for (s, t), op in zip(EDGES, names, strict=True))


def groups_by_key(architectures: list[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for architecture in architectures:
        groups.setdefault(SPACE.key(architecture), []).append(architecture)
    return groups


@pytest.fixture(scope="module")
def sample() -> list[str]:
    return random.Random(1).sample(SPACE.architectures(), 3000)


def test_equal_keys_are_the_same_function(sample: list[str]) -> None:
    chooser = random.Random(2)
    checked = 0
    for group in groups_by_key(sample).values():
        chooser.shuffle(group)
        one = group[0]
        for other in group[1:3]:
            if Counter(convolutions_of(one)) == Counter(convolutions_of(other)):
                assert some_assignment_agrees(one, other), (one, other)
                checked += 1
        if checked >= 60:
            break
    assert checked >= 60


def test_equal_keys_with_unequal_dead_parts_are_the_same_function() -> None:
    alive = "|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"  # node 1 is dead
    bare = "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 2, 4, 4, generator=generator, dtype=torch.float64)
    weights = [random_weights(op, generator) for op in ("nor_conv_3x3", "nor_conv_1x1")]
    assert SPACE.key(alive) == SPACE.key(bare)
    assert torch.equal(raw_cell(alive, x, weights), raw_cell(bare, x, weights[1:]))


def test_the_known_limit_a_trained_shift_behind_nothing_is_a_constant_the_key_ignores() -> None:
    behind_nothing = "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|nor_conv_1x1~1|none~2|"
    bare = "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 2, 4, 4, generator=generator, dtype=torch.float64)
    weights = [random_weights("nor_conv_1x1", generator) for _ in range(2)]
    assert SPACE.key(behind_nothing) == SPACE.key(bare)
    difference = raw_cell(behind_nothing, x, weights, True) - raw_cell(bare, x, weights[:1])
    shift = weights[1][2].view(-1, 1, 1).expand_as(difference)  # zero at initialization
    assert torch.allclose(difference, shift, rtol=1e-9, atol=1e-9)


def test_different_keys_with_equal_operations_are_different_functions(sample: list[str]) -> None:
    same_operations: dict[tuple[str, ...], list[str]] = {}
    for architecture in sample:
        if len(convolutions_of(architecture)) in (1, 2, 3):
            same_operations.setdefault(tuple(sorted(operations_of(architecture))), []).append(
                architecture
            )
    checked = 0
    for group in same_operations.values():
        distinct = [names[0] for names in groups_by_key(group).values()]
        for one, other in itertools.pairwise(distinct[:4]):
            if "avg_pool_3x3" in one and _linear_pooling_could_merge(one, other):
                continue
            assert not some_assignment_agrees(one, other), (one, other)
            checked += 1
        if checked >= 60:
            break
    assert checked >= 60


def _linear_pooling_could_merge(one: str, other: str) -> bool:
    """Pooling is linear, which the key does not use: p(a+b) and p(a)+p(b) have two keys."""
    return one.count("avg_pool_3x3") > 1 or other.count("avg_pool_3x3") > 1


def test_pooling_a_sum_and_summing_pools_keep_two_keys() -> None:
    summed_first = "|nor_conv_3x3~0|+|skip_connect~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
    pooled_first = "|nor_conv_3x3~0|+|none~0|none~1|+|avg_pool_3x3~0|avg_pool_3x3~1|none~2|"
    assert SPACE.key(summed_first) != SPACE.key(pooled_first)
    assert some_assignment_agrees(summed_first, pooled_first)  # the known limit of the key


def test_sharing_one_convolution_differs_from_two() -> None:
    doubled = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|"
    separate = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|"
    assert str(SPACE.blueprint(doubled).cell) == "a=conv3x3(x); out=2a"
    assert str(SPACE.blueprint(separate).cell) == "a=conv3x3(x); b=conv3x3(x); out=b+a"


NAMES = st.sampled_from(["none", "skip", "conv1x1", "conv3x3", "avgpool3x3"])


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int, str]], list[int]]:
    """A graph of up to six nodes and a relabelling of the inner ones that keeps edges forward."""
    last = draw(st.integers(1, 5))
    pairs = [(s, t) for t in range(1, last + 1) for s in range(t)]
    edges = [(s, t, draw(NAMES)) for s, t in pairs]
    if draw(st.booleans()):  # parallel edges between the same nodes
        extra = draw(st.sampled_from(pairs))
        edges.append((*extra, draw(NAMES)))
    order = _another_topological_order(draw, last, edges)
    return last, edges, order


def _another_topological_order(
    draw: st.DrawFn, last: int, edges: list[tuple[int, int, str]]
) -> list[int]:
    needs = {t: {s for s, tt, op in edges if tt == t and op != "none"} for t in range(1, last)}
    order = [0]
    while len(order) < last:
        ready = [n for n in range(1, last) if n not in order and needs[n] <= set(order)]
        order.append(draw(st.sampled_from(ready)))
    return [*order, last]


@settings(max_examples=150, deadline=None)
@given(graphs(), st.randoms(use_true_random=False))
def test_relabelling_inner_nodes_and_shuffling_edges_change_nothing(
    graph: tuple[int, list[tuple[int, int, str]], list[int]], chooser: random.Random
) -> None:
    last, edges, order = graph
    new = {old: i for i, old in enumerate(order)}
    renamed = [(new[s], new[t], op) for s, t, op in edges if op != "none"]
    chooser.shuffle(renamed)
    assert canonical_cell(tuple(renamed), last) == canonical_cell(tuple(edges), last)


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_a_canonical_cell_is_its_own_canonical_form(
    graph: tuple[int, list[tuple[int, int, str]], list[int]],
) -> None:
    last, edges, _ = graph
    cell = canonical_cell(tuple(edges), last)
    again = blueprint._ordered(*blueprint._without_dead(list(cell.operations), cell.output))
    assert again == cell
    assert all(all(atom < i for atom, _ in op.source) for i, op in enumerate(cell.operations, 1))


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_live_and_dead_operations_are_those_on_and_off_a_path(
    graph: tuple[int, list[tuple[int, int, str]], list[int]],
) -> None:
    last, edges, _ = graph
    used = [(s, t, op) for s, t, op in edges if op != "none"]
    ahead = _closure(0, [(s, t) for s, t, _ in used])
    behind = _closure(last, [(t, s) for s, t, _ in used])
    live = Counter(op for s, t, op in used if s in ahead and t in behind and "conv" in op)
    everything = Counter(op for _, _, op in used if "conv" in op)
    assert Counter(canonical_cell(tuple(edges), last).weighted) == live
    assert Counter(dead_operations(tuple(edges), last)) == everything - live
    connected = last in ahead
    assert bool(canonical_cell(tuple(edges), last).output) == connected


def _closure(start: int, steps: list[tuple[int, int]]) -> set[int]:
    """Nodes reachable from `start`, by repetition until nothing is added."""
    found = {start}
    while True:
        more = found | {b for a, b in steps if a in found}
        if more == found:
            return found
        found = more


def test_counts_by_hand() -> None:
    # stem 3*3*3*2+4, cell 9*2*2+4, final batch norm 4, classifier 2*5+5: one stage, one cell
    cell = canonical_cell(((0, 1, "conv3x3"),), 1)
    net = Blueprint(cell, channels=2, cells=1, stages=1, image=4, classes=5)
    assert net.params == net.live_params == 58 + 40 + 4 + 15
    assert net.flops == 54 * 16 + 36 * 16 + 15


def test_dead_operations_count_in_params_only() -> None:
    edges = ((0, 1, "conv1x1"), (0, 2, "conv3x3"))
    cell = canonical_cell(edges, 2)
    dead = dead_operations(edges, 2)
    net = Blueprint(cell, dead, channels=2, cells=1, stages=1, image=4, classes=5)
    assert dead == ("conv1x1",)
    assert net.params - net.live_params == 4 + 4
    assert net.flops - net.live_flops == 4 * 16
    assert net.live.params == net.live_params
    assert net.live.key == net.key


def test_a_disconnected_network_has_nothing_alive() -> None:
    cell = canonical_cell(((0, 1, "none"),), 1)
    net = Blueprint(cell)
    assert not net.connected
    assert (net.live_params, net.live_flops) == (0, 0)
    assert net.params > 0
    assert str(cell) == "out=0"


def test_the_key_of_a_network_depends_on_its_size() -> None:
    cell = canonical_cell(((0, 1, "skip"),), 1)
    keys = {
        Blueprint(cell).key,
        Blueprint(cell, channels=8).key,
        Blueprint(cell, cells=1).key,
        Blueprint(cell, stages=2).key,
        Blueprint(cell, in_channels=1).key,
        Blueprint(cell, image=16).key,
        Blueprint(cell, classes=100).key,
    }
    assert len(keys) == 7


@pytest.mark.parametrize("ring", [(1, 2, 3, 4), (1, 3, 2, 4), (2, 4, 1, 3), (4, 1, 3, 2)])
def test_operations_that_only_their_order_tells_apart(ring: tuple[int, ...]) -> None:
    """Four convolutions in a ring: every one of four more takes the sum of two neighbours."""

    def cell(around: tuple[int, ...]) -> blueprint.Cell:
        neighbours = zip(around, (*around[1:], around[0]), strict=True)
        sums = {5 + i: pair for i, pair in enumerate(neighbours)}
        edges = [(0, node, "conv1x1") for node in range(1, 5)]
        edges += [(node, target, "skip") for target, pair in sums.items() for node in pair]
        edges += [(target, 9, "conv3x3") for target in sums]
        return canonical_cell(tuple(edges), 9)

    assert cell(ring) == cell((1, 2, 3, 4))
    assert cell(ring) != cell((1, 2, 1, 2))
