"""Protocols: everything besides architecture, data set and seeds that fixes a score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zcproxy.errors import unknown

__all__ = ["NOISE", "Protocol", "batch_in_words", "description", "get", "names"]

NOISE = "noise"


@dataclass(frozen=True)
class Protocol:
    """How measures are taken. Every field changes values.

    In every protocol the loss is the mean over the batch, and the weights are those of convolution
    and linear layers. `inputs`, `batch_size` and `initialization` are what `zcproxy score` and
    `zcproxy rank` make; `zcproxy.score` takes the network and the batch that it is given.

    Attributes:
        name: the name in stores and reports.
        summary: one sentence for people.
        attention: the projections of `nn.MultiheadAttention` are weights too, and convolutions of
            every dimension, transposed ones included; otherwise only `Conv2d` and `Linear`.
        reached: layers that the backward pass does not reach are left out of every sum.
        linearized: the normalizations SynFlow turns into identities, "all" (batch, layer, group,
            instance and RMS norm; dropout too, except inside attention), "batch" (one- and
            two-dimensional batch norm) or "none" (they work as the mode of the network says).
        training: the network is in training mode, so that batch norm uses the batch; otherwise in
            evaluation mode, where it uses its running statistics.
        inputs: "images" of the data set and their labels, or "noise": standard normal pixels in
            its shape, with uniform labels of its classes.
        batch_size: how many, unless told otherwise (the store keeps how many it were).
        initialization: "default" is PyTorch's own; "kaiming" is normal with variance 2 / fan-in
            for convolutions and linear layers, biases 0, norms 1 and 0.
        revision: which definition of this name it is. Raised by one when a definition changes, so
            that scores of the old one are not resumed or compared as if they were of the new one.
        release: of the accuracies its authors compare with, where these are not the test
            accuracies that everybody else takes: see `zcproxy.tables.columns`.
    """

    name: str
    summary: str
    attention: bool = True
    reached: bool = True
    linearized: str = "all"
    training: bool = True
    inputs: str = "images"
    batch_size: int = 64
    initialization: str = "default"
    release: str | None = None
    revision: int = 1


_PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("clean", "what is most correct on any network (ours)"),
        Protocol(
            "abdelfattah2021",
            "to the letter as Abdelfattah et al., ICLR 2021, compute it on a batch; their training "
            "batches are randomly cropped and flipped, ours are not",
            attention=False,
            reached=False,
            linearized="batch",
        ),
        Protocol(
            "tanaka2020",
            "as Tanaka et al., NeurIPS 2020, prune, with batch norm in evaluation mode throughout; "
            "they take ten times as many images as classes, cropped and flipped at random, in "
            "batches of 256; ours is one batch of images as they are",
            attention=False,
            linearized="none",
            training=False,
            initialization="kaiming",
            revision=2,  # the first drew PyTorch's own initial weights
        ),
        Protocol(
            "nas_bench_suite_zero",
            "as NAS-Bench-Suite-Zero (Krishnakumar et al., NeurIPS 2022) measures, whose code "
            "descends from that of abdelfattah2021; its batches are shuffled and augmented, ours "
            "are not",
            attention=False,
            reached=False,
            linearized="batch",
            batch_size=32,
            release="nbsz",
        ),
        Protocol(
            "aznas",
            "as AZ-NAS (Lee and Ham, CVPR 2024) measures on NAS-Bench-201; theirs draws other "
            "noise for every network, ours is one batch",
            inputs=NOISE,
            initialization="kaiming",
        ),
    )
}


def names() -> list[str]:
    """Names of all protocols, sorted."""
    return sorted(_PROTOCOLS)


def get(name: str) -> Protocol:
    """The protocol called `name`; raises InputError with the nearest name if there is none."""
    if not isinstance(name, str) or name not in _PROTOCOLS:
        raise unknown("protocol", name, _PROTOCOLS, "zcproxy list protocols shows all")
    return _PROTOCOLS[name]


def description(name: str) -> str:
    """What a protocol fixes, in words; raises InputError if there is none of that name."""
    how = get(name)
    weights = "all weights" if how.attention else "weights of Conv2d and Linear alone"
    layers = "of reached layers" if how.reached else "unreached layers counted"
    kept = {"all": "without norms", "batch": "without batch norm", "none": "with all norms"}
    accuracy = f"its own accuracies ({how.release})" if how.release else "test accuracies"
    parts = [
        f"{how.batch_size} {_INPUTS[how.inputs]}",
        f"{_INITIALIZATIONS[how.initialization]} initialization",
        f"batch norm by {'the batch' if how.training else 'running statistics'}",
        f"{weights}, {layers}",
        f"SynFlow {kept[how.linearized]}",
        f"compared with {accuracy}",
    ]
    return f"{how.summary}: {'; '.join(parts)}"


_INPUTS = {"images": "training images", NOISE: "noise inputs"}
_INITIALIZATIONS = {"default": "PyTorch's", "kaiming": "Kaiming's normal"}


def batch_in_words(run: Mapping[str, object]) -> str:
    """The batch of a run in words, from what its file of scores tells; no folder."""
    size, dataset = run.get("batch_size"), Path(str(run.get("dataset"))).name
    protocol = _PROTOCOLS.get(str(run.get("protocol")))
    if protocol is not None and protocol.inputs == NOISE:
        return f"{size} noise inputs in the shape of {dataset}"
    return f"{size} images of {dataset}"
