"""Networks side by side against the same networks alone."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from zcproxy import spaces
from zcproxy.blueprint import Blueprint
from zcproxy.errors import InputError
from zcproxy.networks import CellNetwork
from zcproxy.networks.levels import plan
from zcproxy.networks.stacked import StackedNetwork

SMALL = spaces.get("digits201")
FULL = spaces.get("nasbench201")
MIXED = (
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|avg_pool_3x3~0|skip_connect~1|nor_conv_1x1~2|",
    "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|",
    "|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|avg_pool_3x3~2|",
    "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
)
DISCONNECTED = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|none~2|"


def blueprints(*architectures: str, space: spaces.NASBench201 = SMALL) -> list[Blueprint]:
    return [space.blueprint(architecture) for architecture in architectures]


def images_for(blueprint: Blueprint, n: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    shape = (n, blueprint.in_channels, blueprint.image, blueprint.image)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def randomize_norms(network: nn.Module) -> None:
    """Give every batch norm scales and shifts that depend on the channel's weights alone."""
    layers = list(network.modules())
    for before, layer in itertools.pairwise(layers):
        if isinstance(before, nn.Conv2d) and isinstance(layer, nn.BatchNorm2d):
            with torch.no_grad():
                layer.weight.copy_(1 + before.weight.flatten(1).sum(1).tanh() / 2)
                layer.bias.copy_(before.weight.flatten(1)[:, 0])


@pytest.mark.parametrize("seed", [0, 7])
def test_every_member_has_the_weights_of_its_network(seed: int) -> None:
    chosen = blueprints(*MIXED)
    stack = StackedNetwork(chosen, seed)
    covered = 0
    for blueprint, slots in zip(chosen, stack.slots, strict=True):
        alone = dict(CellNetwork(blueprint.live, seed).named_parameters())
        assert list(slots) == list(alone)
        for name, slot in slots.items():
            assert torch.equal(slot.of(stack.get_parameter(slot.name)), alone[name])
            covered += alone[name].numel()
    assert covered == sum(p.numel() for p in stack.parameters())
    assert covered == sum(blueprint.live_params for blueprint in chosen)


def test_every_member_computes_what_its_network_does() -> None:
    chosen = blueprints(*MIXED)
    stack = StackedNetwork(chosen, 3).double()
    randomize_norms(stack)
    images = images_for(chosen[0])
    found = stack(stack.expand(images))
    assert found.shape == (3, len(MIXED), 10)
    for number, blueprint in enumerate(chosen):
        alone = CellNetwork(blueprint.live, 3).double()
        randomize_norms(alone)
        torch.testing.assert_close(found[:, number], alone(images), rtol=1e-9, atol=1e-11)
        other = found[:, (number + 1) % len(chosen)]
        assert not torch.allclose(other, alone(images), rtol=1e-3, atol=1e-3)


def test_full_size_networks_compute_what_they_do_alone() -> None:
    chosen = blueprints(*MIXED[:2], space=FULL)
    stack = StackedNetwork(chosen).double()
    images = images_for(chosen[0], 2)
    found = stack(stack.expand(images))
    for number, blueprint in enumerate(chosen):
        expected = CellNetwork(blueprint.live).double()(images)
        torch.testing.assert_close(found[:, number], expected, rtol=1e-8, atol=1e-10)


def test_members_do_not_see_each_others_images() -> None:
    chosen = blueprints(*MIXED[:3])
    stack = StackedNetwork(chosen).double()
    images = stack.expand(images_for(chosen[0]))
    before = stack(images)
    images[:, 1] += 1
    after = stack(images)
    assert torch.equal(before[:, [0, 2]], after[:, [0, 2]])
    assert not torch.allclose(before[:, 1], after[:, 1])


def test_each_level_is_one_convolution_of_a_size() -> None:
    stack = StackedNetwork(blueprints(*MIXED))
    calls: list[nn.Module] = []
    for module in stack.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, *_: calls.append(module))
    stack(stack.expand(torch.zeros(2, 1, 8, 8)))
    in_a_cell = len(stack.blocks[0].groups)
    poolings = sum(name == "avgpool3x3" for name in names_of_groups())
    assert in_a_cell == len(names_of_groups()) <= 9
    assert len(calls) == 1 + 6 * (in_a_cell - poolings) + 2 * 3 + 1


def names_of_groups() -> list[str]:
    return [group.name for group in plan([b.cell for b in blueprints(*MIXED)]).groups]


def test_a_plan_runs_every_operation_once_after_what_it_needs() -> None:
    cells = [blueprint.cell for blueprint in blueprints(*MIXED)]
    made = plan(cells)
    owners = [owner for group in made.groups for owner in group.owners]
    wanted = [(n, i) for n, cell in enumerate(cells) for i in range(len(cell.operations))]
    assert sorted(owners) == wanted
    for number, group in enumerate(made.groups):
        kinds = {cells[member].operations[index].name for member, index in group.owners}
        assert kinds == {group.name}
        assert all(tensor <= number for terms in group.sources for tensor, _, _ in terms)


def test_the_seed_is_the_only_randomness() -> None:
    chosen = blueprints(MIXED[0])
    torch.manual_seed(0)
    one = StackedNetwork(chosen, 1).state_dict()
    torch.manual_seed(1)
    two = StackedNetwork(chosen, 1).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(
        one["stem.0.weight"], StackedNetwork(chosen, 2).state_dict()["stem.0.weight"]
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "at least one network"),
        (blueprints(MIXED[0], DISCONNECTED), "without a path from input to output cannot be"),
        (
            [*blueprints(MIXED[0]), *blueprints(MIXED[0], space=FULL)],
            "3x5 cells, 16 channels, .* and 3x2 cells, 8 channels",
        ),
    ],
)
def test_what_cannot_be_stacked_is_refused(given: list[Blueprint], message: str) -> None:
    with pytest.raises(InputError, match=message):
        StackedNetwork(given)
