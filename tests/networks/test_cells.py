"""Cell networks against a naive network that runs the raw string, edge by edge."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zcproxy import scoring, spaces
from zcproxy.networks import CellNetwork

SMALL = spaces.get("digits201")
FULL = spaces.get("nasbench201")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
RICH = (
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|avg_pool_3x3~0|skip_connect~1|nor_conv_1x1~2|"
)
HALF_DEAD = "|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|avg_pool_3x3~2|"
NO_CONV = "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|none~0|skip_connect~1|avg_pool_3x3~2|"
TWINS = (
    "|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|skip_connect~1|none~2|",
    "|none~0|+|nor_conv_3x3~0|none~1|+|nor_conv_1x1~0|none~1|skip_connect~2|",
)
DISCONNECTED = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|none~2|"


def names_of(architecture: str) -> list[str]:
    return [part.split("~")[0] for part in architecture.replace("+", "").split("|") if part]


def block(x: Tensor, layers: nn.Sequential) -> Tensor:
    """ReLU, convolution, batch norm written out, with the weights of `layers`."""
    conv, norm = layers[1], layers[2]
    y = F.conv2d(x.clamp(min=0), conv.weight, None, conv.stride, conv.padding)
    return normalized(y, norm)


def normalized(y: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    mean, variance = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), unbiased=False, keepdim=True)
    z = (y - mean) / (variance + 1e-5).sqrt()
    return z * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)


def naive_cell(x: Tensor, names: list[str], blocks: dict[int, nn.Sequential]) -> Tensor:
    """One cell; `blocks` gives the layers of an edge. Edges nothing reaches give nothing."""
    nodes, reached = [x, *[torch.zeros_like(x)] * 3], {0}
    for edge, ((s, t), op) in enumerate(zip(EDGES, names, strict=True)):
        if op == "none" or s not in reached:
            continue
        reached.add(t)
        if op == "skip_connect":
            y = nodes[s]
        elif op == "avg_pool_3x3":
            y = F.avg_pool2d(nodes[s], 3, 1, 1, count_include_pad=False)
        else:
            y = block(nodes[s], blocks[edge]) if edge in blocks else torch.zeros_like(x)
        nodes[t] = nodes[t] + y
    return nodes[3]


def naive_outputs(network: CellNetwork, architecture: str, images: Tensor) -> list[Tensor]:
    """The raw string's outputs for every way to give the cells' weights to its edges."""
    names = names_of(architecture)
    edges = [i for i, op in enumerate(names) if op.startswith("nor_conv")]
    live = len(network.blueprint.cell.weighted)
    outputs = []
    for chosen in itertools.permutations(edges, live):
        kinds = [names[e].removeprefix("nor_").replace("_", "") for e in chosen]
        if kinds == list(network.blueprint.cell.weighted):
            outputs.append(_naive(network, names, chosen, images))
    return outputs


def _naive(
    network: CellNetwork, names: list[str], chosen: tuple[int, ...], images: Tensor
) -> Tensor:
    x = normalized(F.conv2d(images, network.stem[0].weight, padding=1), network.stem[1])
    for part in network.blocks:
        if hasattr(part, "convolutions"):
            x = naive_cell(x, names, dict(zip(chosen, part.convolutions, strict=True)))
        else:
            shortcut = F.conv2d(F.avg_pool2d(x, 2), part.shortcut[1].weight)
            x = block(block(x, part.first), part.second) + shortcut
    x = normalized(x, network.last[0]).clamp(min=0).mean((2, 3))
    return x @ network.classifier.weight.T + network.classifier.bias


def randomized(network: CellNetwork) -> CellNetwork:
    """In double precision, with batch norms that scale and shift."""
    generator = torch.Generator().manual_seed(5)
    network = network.double()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                for p in module.parameters():
                    p.copy_(torch.rand(p.shape, generator=generator, dtype=p.dtype) + 0.5)
    return network


def images_for(channels: int, side: int, n: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, channels, side, side, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("architecture", [RICH, HALF_DEAD, NO_CONV, *TWINS])
def test_a_small_network_runs_its_string(architecture: str) -> None:
    network = randomized(SMALL.network(architecture, seed=3))
    images = images_for(1, 8)
    expected = naive_outputs(network, architecture, images)
    found = network(images)
    assert any(torch.allclose(found, e, rtol=1e-9, atol=1e-9) for e in expected)
    assert not any(torch.allclose(found, e * 1.01, rtol=1e-9, atol=1e-9) for e in expected)


def test_a_network_of_full_size_runs_its_string() -> None:
    network = randomized(FULL.network(RICH, classes=10, seed=1))
    images = images_for(3, 32, n=2)
    expected = naive_outputs(network, RICH, images)
    assert any(torch.allclose(network(images), e, rtol=1e-8, atol=1e-8) for e in expected)


@pytest.mark.parametrize("architecture", [RICH, HALF_DEAD, NO_CONV, DISCONNECTED])
def test_parameters_built_are_parameters_counted(architecture: str) -> None:
    for space in (SMALL, FULL):
        counts = space.counts(architecture)
        built = sum(p.numel() for p in space.network(architecture).parameters())
        live = sum(p.numel() for p in space.network(architecture, live=True).parameters())
        assert built == counts["params"]
        if space.blueprint(architecture).connected:
            assert live == counts["live_params"]


def test_operations_built_are_operations_counted() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    network = SMALL.network(RICH)
    with FlopCounterMode(display=False) as counter:
        network(torch.randn(1, 1, 8, 8))
    # the benchmark counts the classifier's ten biases too
    assert counter.get_total_flops() // 2 + 10 == SMALL.counts(RICH)["flops"]


@pytest.mark.parametrize("architecture", [HALF_DEAD, RICH])
def test_dead_operations_change_no_output_and_no_score(architecture: str) -> None:
    trained, live = SMALL.network(architecture), SMALL.network(architecture, live=True)
    images, targets = torch.randn(6, 1, 8, 8), torch.arange(6)
    names = ["snip", "grasp", "fisher", "synflow", "grad_norm", "l2_norm", "jacob_cov", "nwot"]
    assert torch.equal(trained(images), live(images))
    one = scoring.score(trained, images, targets, names)
    assert one == scoring.score(live, images, targets, names)


def test_the_dead_operations_are_there() -> None:
    assert hasattr(SMALL.network(HALF_DEAD), "dead")
    assert not hasattr(SMALL.network(HALF_DEAD, live=True), "dead")
    assert not hasattr(SMALL.network(RICH), "dead")


def test_equal_keys_give_equal_bits() -> None:
    one, other = (SMALL.network(a, seed=7) for a in TWINS)
    assert SMALL.key(TWINS[0]) == SMALL.key(TWINS[1])
    assert one.state_dict().keys() == other.state_dict().keys()
    assert all(torch.equal(p, other.state_dict()[n]) for n, p in one.state_dict().items())


def test_seeds_differ_and_repeat() -> None:
    first, again, other = (SMALL.network(RICH, seed=s) for s in (0, 0, 1))
    weight = "classifier.weight"
    assert torch.equal(first.state_dict()[weight], again.state_dict()[weight])
    assert not torch.equal(first.state_dict()[weight], other.state_dict()[weight])


def test_building_leaves_the_random_states_alone() -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    SMALL.network(RICH, seed=4)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_weights_are_uniform_within_the_fan_in() -> None:
    network = FULL.network(RICH)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = module.weight[0].numel() ** -0.5
            values = module.weight.detach()
            assert float(values.abs().max()) <= bound
            if values.numel() > 500:
                assert float(values.abs().max()) > 0.95 * bound
                deviation = float(values.std()) / (bound / 3**0.5)
                assert 0.93 < deviation < 1.07
        if isinstance(module, nn.BatchNorm2d):
            assert bool((module.weight == 1).all())
            assert bool((module.bias == 0).all())
            assert bool((module.running_var == 1).all())


def test_layers_of_one_shape_have_different_weights() -> None:
    weights = [m.weight for m in SMALL.network(RICH).modules() if isinstance(m, nn.Conv2d)]
    same = [(a, b) for a, b in itertools.combinations(weights, 2) if a.shape == b.shape]
    assert same
    assert not any(torch.equal(a, b) for a, b in same)


def test_a_disconnected_network_gives_its_biases() -> None:
    network = SMALL.network(DISCONNECTED)
    output = network(torch.randn(4, 1, 8, 8))
    assert torch.equal(output, network.classifier.bias.expand(4, 10))


def test_convolutions_have_no_bias_and_norms_are_affine() -> None:
    for module in FULL.network(HALF_DEAD).modules():
        if isinstance(module, nn.Conv2d):
            assert module.bias is None
        if isinstance(module, nn.BatchNorm2d):
            assert module.affine
