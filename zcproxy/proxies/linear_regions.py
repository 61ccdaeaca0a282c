"""Number of linear regions, as in TE-NAS."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from zcproxy.blueprint import Blueprint
from zcproxy.errors import MeasureError
from zcproxy.networks import CellNetwork
from zcproxy.patterns import distinct_images
from zcproxy.probe import Probe

PASSES = ("codes",)

CROPS = 3000
SIDE = 3


def linear_regions(probe: Probe) -> float:
    """Number of different ReLU patterns of the images: linear regions that they lie in.

    A pattern is an image's states, on or off, of all units that the backward pass reaches.

    Of a network with a blueprint, after TE-NAS: on its thin version, with 1 channel, 1 cell per
    stage, and inputs 1 x 3 x 3, with Kaiming-normal weights (fan-in) by the seed; the inputs are
    3,000 crops at random positions and channels of the batch's images. Networks of
    full width put every image in a region of its own. Of any other network, which cannot be
    thinned: on the network and the batch as they are; at most the number of images, which is what
    wide networks reach. Compare only networks of one kind.

    Raises MeasureError: of kind `not_applicable` without piecewise activations, or where the
    images of a blueprint's network are smaller than 3 x 3; `disconnected` without a path from
    input to output.

    Differs: on NAS-Bench-201 the authors' thin network is one cell alone, without stem and later
    stages. They run three batches of 1,000 crops of all training images, one crop of each, and
    count the change that removing an operation from a supernetwork makes.

    Source: Chen et al., TE-NAS, ICLR 2021, arXiv:2102.11535, section 3.1.2.
    """
    if not probe.connected:
        raise MeasureError("disconnected", "no path leads from the input to the output")
    if probe.blueprint is not None:
        probe = _thinned(probe, probe.blueprint)
    return float(distinct_images(probe.unit_codes, probe.batch_size))


def _thinned(probe: Probe, blueprint: Blueprint) -> Probe:
    """A probe of the thin version of a blueprint's network, on small crops of the images."""
    generator = probe.generator("linear_regions")
    thin = replace(blueprint.live, channels=1, cells=1, in_channels=1, image=SIDE)
    network = CellNetwork(thin, probe.seed, "kaiming").float()
    positional, named = probe.inputs
    (images,) = positional or named.values()
    crops = _crops(images.cpu().float(), generator)
    return Probe(network, crops, None, probe.protocol, passes=PASSES, seed=probe.seed)


def _crops(images: Tensor, generator: torch.Generator) -> Tensor:
    """Pieces (CROPS, 1, SIDE, SIDE) at random positions of random channels of random images."""
    n, channels, height, width = images.shape
    if min(height, width) < SIDE:
        raise MeasureError("not_applicable", f"the images are smaller than {SIDE} x {SIDE}")
    windows = images.unfold(2, SIDE, 1).unfold(3, SIDE, 1)
    sizes = (n, channels, height - SIDE + 1, width - SIDE + 1)
    chosen = [torch.randint(size, (CROPS,), generator=generator) for size in sizes]
    return windows[tuple(chosen)].unsqueeze(1)
