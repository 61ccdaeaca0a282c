"""Whether a proxy sees the batch, as its file says: measured on two batches of one shape."""

from __future__ import annotations

import pytest
import torch

import zcproxy
from zcproxy import proxies, spaces
from zcproxy.errors import MeasureError
from zcproxy.networks import CellNetwork

CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"


def values(name: str, images: int, seed: int, protocol: str) -> float:
    """The score of one network on a batch of noise by the seed."""
    network = CellNetwork(spaces.get("digits201").blueprint(CELL).live, 5)
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(images, 1, 8, 8, generator=generator) * (1 + seed)
    inputs[-1] *= 1 - seed  # one image of zeros, all pieces of which are alike
    labels = torch.randint(10, (images,), generator=generator)
    labels[:4] = torch.tensor([0, 0, 1, 1])  # two of a class, which some proxies need
    found = zcproxy.score(network, inputs, labels, [name], protocol=protocol)
    return found[name]


@pytest.mark.parametrize("name", proxies.names())
def test_other_images_and_labels_matter_as_the_file_says(name: str) -> None:
    first, second = (values(name, 12, seed, "clean") for seed in (0, 1))
    assert (first != second) == (name not in proxies.without_batch())


@pytest.mark.parametrize("protocol", ["clean", "abdelfattah2021", "tanaka2020"])
@pytest.mark.parametrize("name", proxies.without_batch())
def test_a_proxy_without_batch_has_the_same_bits_on_more_images(name: str, protocol: str) -> None:
    try:
        first = values(name, 12, 0, protocol)
    except MeasureError:
        with pytest.raises(MeasureError):
            values(name, 16, 1, protocol)
        return
    assert first == values(name, 16, 1, protocol)
