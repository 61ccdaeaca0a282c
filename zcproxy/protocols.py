"""Protocols: everything besides architecture, batch and seed that fixes a score."""

from __future__ import annotations

from dataclasses import dataclass

from zcproxy.errors import unknown

__all__ = ["Protocol", "get", "names"]


@dataclass(frozen=True)
class Protocol:
    """How measures are taken. Every field changes values.

    In every protocol the loss is the mean over the batch, and the weights are those of convolution
    and linear layers.

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
    """

    name: str
    summary: str
    attention: bool = True
    reached: bool = True
    linearized: str = "all"
    training: bool = True


_PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("clean", "what is most correct on any network (ours)"),
        Protocol(
            "abdelfattah2021",
            "to the letter as Abdelfattah et al., ICLR 2021, compute it",
            attention=False,
            reached=False,
            linearized="batch",
        ),
        Protocol(
            "tanaka2020",
            "as Tanaka et al., NeurIPS 2020, prune: batch norm in evaluation mode throughout",
            attention=False,
            linearized="none",
            training=False,
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
