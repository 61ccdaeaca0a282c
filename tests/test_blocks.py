"""Primary blocks of known networks, and the maps between them against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import zcproxy
from zcproxy import protocols, spaces
from zcproxy.blocks import BlockMaps, primary_blocks
from zcproxy.errors import MeasureError
from zcproxy.models.resnet import ResNet
from zcproxy.networks import CellNetwork
from zcproxy.probe import Probe


class Block(nn.Module):
    """A convolution, batch norm and ReLU, in place on the way."""

    def __init__(self, width: int, wider: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, wider, 3, stride, padding=1)
        self.norm = nn.BatchNorm2d(wider)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x.tanh())) + 1


class Network(nn.Module):
    """A stem, three blocks of which the second halves the map, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 3, 3, padding=1)
        self.blocks = nn.Sequential(Block(3, 4), nn.Sequential(Block(4, 6, 2), Block(6, 5)))
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x)).relu_()
        out: Tensor = self.head(x.mean((2, 3)))
        return out


def network() -> Network:
    torch.manual_seed(0)
    return Network().double()


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, 2, 6, 6, generator=generator).double(), torch.arange(4) % 3


def probe_of(module: nn.Module, inputs: Any = None) -> Probe:
    images, targets = batch()
    given = images if inputs is None else inputs
    return Probe(module, given, targets, protocols.get("clean"), passes=("blocks",))


def test_cells_and_reductions_are_the_blocks_of_a_cell_network() -> None:
    space = spaces.get("nasbench201")
    skips = "|skip_connect~0|+|skip_connect~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
    found = primary_blocks(CellNetwork(space.blueprint(skips)))
    assert list(found) == [f"blocks.{i}" for i in range(17)]


def test_stages_are_not_blocks() -> None:
    found = primary_blocks(network())
    assert list(found) == ["blocks.0", "blocks.1.0", "blocks.1.1"]
    assert all(isinstance(block, Block) for block in found.values())


def test_plain_containers_of_layers_are_blocks_of_a_container() -> None:
    stage = [nn.Sequential(nn.Conv2d(2, 2, 3), nn.ReLU()) for _ in range(2)]
    assert list(primary_blocks(nn.Sequential(*stage, nn.Flatten()))) == ["0", "1"]
    assert primary_blocks(nn.Sequential(nn.Conv2d(2, 2, 3), nn.ReLU(), nn.Flatten())) == {}


def test_residual_blocks_are_the_blocks_of_a_resnet() -> None:
    found = primary_blocks(ResNet((3, 3, 3), 4, 10, 3, projected=True))
    assert len(found) == 9


def test_covariances_are_those_of_numpy() -> None:
    module, (images, _) = network().train(), batch()
    x = module.stem(images)
    expected = [x]
    for block in (module.blocks[0], *module.blocks[1]):
        x = block(x)
        expected.append(x)
    maps = probe_of(module).block_maps
    assert [m.name for m in maps] == ["", "blocks.0", "blocks.1.0", "blocks.1.1"]
    assert len(maps) == len(expected)
    for found, values in zip(maps, expected, strict=True):
        assert found.shape == tuple(values.shape)
        rows = values.detach().permute(1, 0, 2, 3).flatten(1).numpy()
        covariance = np.cov(rows, bias=True)
        np.testing.assert_allclose(found.covariance.numpy(), covariance, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            found.spectrum.numpy(), np.linalg.eigvalsh(covariance), rtol=1e-6, atol=1e-12
        )


def test_what_overwrites_a_map_afterwards_does_not_matter() -> None:
    """The network's last block is overwritten by relu_; its map and its edge are from before."""
    module = network()
    last = probe_of(module).block_maps[-1]
    assert float(last.covariance.diagonal().min()) > 0.5  # batch norm's 1, not that of a ReLU
    assert last.edge is not None
    assert "Relu" not in last.edge.node.name()


def test_hooks_are_removed_even_when_the_network_fails() -> None:
    class Failing(Network):
        def forward(self, x: Tensor) -> Tensor:
            super().forward(x)
            raise RuntimeError("on purpose")

    own: list[str] = []
    module = Failing()
    kept = module.blocks[0].register_forward_hook(lambda *_: own.append("ran"))
    with pytest.raises(RuntimeError, match="on purpose"), BlockMaps(4).watching(module):
        module(batch()[0].float())
    assert own == ["ran"]
    assert list(module.blocks[0]._forward_hooks) == [kept.id]
    assert not any(m._forward_pre_hooks for m in module.modules())
    assert not any(m._forward_hooks_with_kwargs for m in module.modules())


def test_a_plain_sequence_has_no_blocks() -> None:
    plain = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(48, 3)).double()
    with pytest.raises(MeasureError, match="no primary blocks") as caught:
        _ = probe_of(plain).block_maps
    assert caught.value.kind == "not_applicable"


def test_what_is_no_feature_map_is_said_to_be() -> None:
    class Tokens(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.flatten(2).transpose(1, 2)).sum((1,))

    blocks = [nn.TransformerEncoderLayer(2, 1, 4, dropout=0.0) for _ in range(2)]
    with pytest.raises(MeasureError, match=r"\(4, 36, 2\), not a feature map") as caught:
        _ = probe_of(Tokens(*blocks).double()).block_maps
    assert caught.value.kind == "not_applicable"


def test_a_disconnected_network_is_said_to_be() -> None:
    class Constant(Network):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(x.new_zeros(len(x), 5))

    with pytest.raises(MeasureError) as caught:
        _ = probe_of(Constant().double()).block_maps
    assert caught.value.kind == "disconnected"


def test_integer_inputs_have_maps_too() -> None:
    class Embedded(Network):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(self.words(x).permute(0, 3, 1, 2))

    tokens = torch.randint(0, 5, (4, 6, 6), generator=torch.Generator().manual_seed(0))
    assert len(probe_of(Embedded().double(), tokens).block_maps) == 4


def test_a_block_that_is_a_function_of_keywords_is_seen() -> None:
    class Keyword(Block):
        def forward(self, *, x: Tensor) -> Tensor:
            return F.relu(super().forward(x))

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList([Keyword(2, 3), Keyword(3, 3)])

        def forward(self, x: Tensor) -> Tensor:
            for part in self.parts:
                x = part(x=x)
            return x.mean((2, 3))

    maps = probe_of(Outer().double()).block_maps
    assert [m.name for m in maps] == ["", "parts.0", "parts.1"]
    assert maps[0].shape == (4, 2, 6, 6)


class Residual(nn.Module):
    """A residual block whose layers are in a container."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


class Backbone(nn.Module):
    """A stem and residual blocks."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 3, 3, padding=1)
        self.blocks = nn.Sequential(*(Residual() for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.blocks(self.stem(x))
        return out


class Flat(nn.Module):
    """A backbone and a head, written as a module of one's own."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.backbone(x).mean((2, 3)))
        return out


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_backbone_in_a_sequence_has_the_blocks_that_it_has_in_a_module(depth: int) -> None:
    torch.manual_seed(0)
    backbone, head = Backbone(depth).double(), nn.Linear(3, 3).double()
    sequence = nn.Sequential(backbone, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    wrapped = nn.Sequential(nn.Identity(), nn.Sequential(sequence))
    flat = Flat(backbone, head)
    assert list(primary_blocks(flat)) == [f"backbone.blocks.{i}" for i in range(depth)]
    assert list(primary_blocks(sequence)) == [f"0.blocks.{i}" for i in range(depth)]
    assert list(primary_blocks(wrapped)) == [f"1.0.0.blocks.{i}" for i in range(depth)]
    names = ["az_expressivity", "az_progressivity", "az_trainability"]
    expected = zcproxy.score(flat, *batch(), names)
    for nested in (sequence, wrapped):
        assert zcproxy.score(nested, *batch(), names) == pytest.approx(expected, rel=1e-9)


def test_several_blocks_are_not_looked_into() -> None:
    network = nn.Sequential(Backbone(3), nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()))
    assert list(primary_blocks(network)) == ["0", "1"]


def test_a_head_among_the_blocks_is_none() -> None:
    torch.manual_seed(0)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    blocks = [nn.Sequential(nn.Conv2d(c, 3, 3, padding=1), nn.ReLU()) for c in (2, 3, 3)]
    inside = probe_of(nn.Sequential(*blocks, head).double()).block_maps
    beside = probe_of(nn.Sequential(nn.Sequential(*blocks), *head).double()).block_maps
    assert [found.shape for found in inside] == [found.shape for found in beside]
    assert len(inside) == 4
    with pytest.raises(MeasureError, match="block 1 gives out"):
        _ = probe_of(
            nn.Sequential(blocks[0], head, nn.Unflatten(1, (3, 1, 1)), blocks[1]).double()
        ).block_maps
