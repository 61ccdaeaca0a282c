"""What a mask costs, before any training: parameters, multiply-adds, paths, dead layers."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import nn

from zcproxy.probe import Inputs
from zcproxy.pruning.costs import multiply_adds
from zcproxy.pruning.mask import Mask
from zcproxy.pruning.paths import effective

__all__ = ["Consequences", "LayerReport", "consequences"]

NOT_FASTER = (
    "An unstructured mask alone does not make the network faster or smaller in memory in a dense "
    "framework such as PyTorch: zeros are stored and multiplied like any other number."
)


@dataclass(frozen=True)
class LayerReport:
    """One weight tensor under a mask.

    Attributes:
        name: parameter name.
        shape: its shape.
        total: number of weights.
        kept: number of weights that stay.
        effective: of those, on a path from input to output.
        multiply_adds: of one example, before.
        multiply_adds_kept: the same, without pruned weights.
    """

    name: str
    shape: tuple[int, ...]
    total: int
    kept: int
    effective: int
    multiply_adds: int
    multiply_adds_kept: int

    @property
    def density(self) -> float:
        """Fraction of the layer's weights that stays."""
        return self.kept / self.total


@dataclass(frozen=True)
class Consequences:
    """What a mask does to a network.

    Attributes:
        layers: in the order of the mask.
        params: number of all parameters, biases and normalizations too.
        multiply_adds: of convolutions and matrix products, for one example.
    """

    layers: tuple[LayerReport, ...]
    params: int
    multiply_adds: int

    @property
    def total(self) -> int:
        """Number of prunable weights."""
        return sum(layer.total for layer in self.layers)

    @property
    def kept(self) -> int:
        """Number of weights that stay."""
        return sum(layer.kept for layer in self.layers)

    @property
    def effective(self) -> int:
        """Number of weights that stay and lie on a path from input to output."""
        return sum(layer.effective for layer in self.layers)

    @property
    def sparsity(self) -> float:
        """Fraction of the weights that the mask removes."""
        return (self.total - self.kept) / self.total

    @property
    def effective_sparsity(self) -> float:
        """Fraction of the weights that are removed, or might as well be: on no path."""
        return (self.total - self.effective) / self.total

    @property
    def params_kept(self) -> int:
        """Number of all parameters without pruned weights."""
        return self.params - (self.total - self.kept)

    @property
    def multiply_adds_kept(self) -> int:
        """Multiply-adds that pruned weights take no part in; what a sparse engine could reach."""
        saved = sum(layer.multiply_adds - layer.multiply_adds_kept for layer in self.layers)
        return self.multiply_adds - saved

    @property
    def collapsed(self) -> list[str]:
        """Names of the layers without a single weight left."""
        return [layer.name for layer in self.layers if layer.kept == 0]

    @property
    def disconnected(self) -> bool:
        """Whether no path over kept weights leads from input to output."""
        return self.effective == 0

    def table(self) -> list[dict[str, object]]:
        """One row of plain data per layer."""
        return [
            {**asdict(layer), "shape": list(layer.shape), "density": layer.density}
            for layer in self.layers
        ]

    def __str__(self) -> str:
        width = max(len("layer"), *(len(layer.name) for layer in self.layers))
        lines = [
            f"{'layer':<{width}} {'weights':>12} {'kept':>12} {'density':>9} {'on a path':>12} "
            f"{'multiply-adds':>14} {'kept':>14}"
        ]
        for x in self.layers:
            lines.append(
                f"{x.name:<{width}} {x.total:>12,} {x.kept:>12,} {x.density:>9.3%} "
                f"{x.effective:>12,} {x.multiply_adds:>14,} {x.multiply_adds_kept:>14,}"
            )
        return "\n".join([*lines, "", *self._sentences()])

    def _sentences(self) -> list[str]:
        lost = self.kept - self.effective
        text = [
            f"Weights: {self.kept:,} of {self.total:,} kept, sparsity {self.sparsity:.4%}.",
            f"Effective sparsity {self.effective_sparsity:.4%}: {lost:,} of the kept weights are "
            "on no path from input to output.",
            f"Parameters, everything counted: {self.params:,} before, {self.params_kept:,} after.",
            f"Multiply-adds of one example: {self.multiply_adds:,} before, "
            f"{self.multiply_adds_kept:,} without those of pruned weights.",
        ]
        if self.collapsed:
            text.append(f"LAYER COLLAPSE: no weight is left in {', '.join(self.collapsed)}.")
        if self.disconnected:
            text.append("DISCONNECTED: no path leads from input to output; it cannot learn.")
        return [*text, NOT_FASTER]


def consequences(network: nn.Module, mask: Mask, inputs: Inputs) -> Consequences:
    """Report what a mask does to a network, without training it.

    Args:
        network: the network the mask is for; left as it was. Its weights play no part.
        mask: the mask; it need not be applied.
        inputs: a batch as for `zcproxy.score`; one example's shape is what matters.

    Returns:
        Counts per layer and in total; `str()` of it is a table with sentences.

    Raises:
        InputError: the mask is for another network, or it cannot be computed on the inputs.
    """
    mask.fits(network)
    costs = multiply_adds(network, inputs)
    paths = effective(network, mask, inputs)
    layers = []
    for name, bits in mask.items():
        each = costs.per_weight(name, bits.numel())
        kept = int(bits.sum())
        layers.append(
            LayerReport(
                name,
                tuple(bits.shape),
                bits.numel(),
                kept,
                int(paths[name].sum()),
                costs.by_weight.get(name, 0),
                each * kept,
            )
        )
    return Consequences(tuple(layers), sum(p.numel() for p in network.parameters()), costs.total)
