"""What all tests share: one thread, and the way to the real data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import torch

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real benchmark data, or a skip that says how to get it."""
    named = os.environ.get("ZCPROXY_DATA", "")
    folder = Path(named)
    if not named or not (folder / "nasbench201" / "accuracies.csv.gz").is_file():
        pytest.skip("needs the real data: set ZCPROXY_DATA to the folder of benchmark files")
    return folder


@pytest.fixture(params=["mlp", "grouped", "residual"])
def case(request: pytest.FixtureRequest) -> TinyCase:
    """A network of under 200 weights in double precision with its batch."""
    return TinyCase(request.param)


class TinyCase:
    """A tiny network, a batch, and slow oracles of what measures need, by torch and loops alone."""

    def __init__(self, name: str) -> None:
        import torch

        self.name = name
        generator = torch.Generator().manual_seed(3)
        self.network = _NETWORKS[name]().double()
        with torch.no_grad():
            for p in self.network.parameters():
                p.copy_(torch.randn(p.shape, generator=generator, dtype=p.dtype) * 0.6 + 0.05)
        shape = (5, 4) if name == "mlp" else (5, 2, 4, 4)
        self.inputs = torch.randn(shape, generator=generator, dtype=torch.float64)
        self.targets = torch.arange(5) % 3

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        """Weights of convolutions and linear layers, by name."""
        from torch import nn

        modules = self.network.named_modules()
        layers = {n: m for n, m in modules if isinstance(m, nn.Conv2d | nn.Linear)}
        return {f"{name}.weight": layer.weight.detach() for name, layer in layers.items()}

    def loss(self, changed: dict[str, torch.Tensor]) -> torch.Tensor:
        """Cross-entropy written out, with some weights changed."""
        import torch

        output = torch.func.functional_call(self.network, changed, (self.inputs,))
        logs = output - output.exp().sum(1, keepdim=True).log()
        return -logs[torch.arange(len(output)), self.targets].mean()

    def gradient(self) -> dict[str, torch.Tensor]:
        """dL/dW of every weight by central differences."""
        import torch

        result = {}
        with torch.no_grad():
            for name, weight in self.weights.items():
                slopes = [self._slope(name, weight, i) for i in range(weight.numel())]
                result[name] = torch.stack(slopes).view_as(weight)
        return result

    def _slope(self, name: str, weight: torch.Tensor, i: int, step: float = 1e-6) -> torch.Tensor:
        ends = []
        for sign in (1, -1):
            moved = weight.clone()
            moved.view(-1)[i] += sign * step
            ends.append(self.loss({name: moved}))
        return (ends[0] - ends[1]) / (2 * step)

    def hessian(self) -> torch.Tensor:
        """The whole Hessian over all weights, by torch's own second derivatives."""
        import torch

        weights = self.weights
        flat = torch.cat([w.flatten() for w in weights.values()])

        def loss(vector: torch.Tensor) -> torch.Tensor:
            parts = vector.split([w.numel() for w in weights.values()])
            pairs = zip(weights.items(), parts, strict=True)
            return self.loss({name: part.view_as(w) for (name, w), part in pairs})

        return torch.autograd.functional.hessian(loss, flat)


def _mlp() -> torch.nn.Module:
    from torch import nn

    return nn.Sequential(
        nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5, bias=False), nn.ReLU(), nn.Linear(5, 3)
    )


def _grouped() -> torch.nn.Module:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


def _residual() -> torch.nn.Module:
    from torch import nn

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(2, 3, 3, padding=1)
            self.norm = nn.BatchNorm2d(3, affine=False)
            self.conv = nn.Conv2d(3, 3, 1, bias=False)
            self.after = nn.BatchNorm2d(3)
            self.relu = nn.ReLU(inplace=True)
            self.head = nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.relu(self.norm(self.stem(x)))
            x = self.relu(self.after(self.conv(x)) + x)
            out: torch.Tensor = self.head(x.mean((2, 3)))
            return out

    return Residual()


_NETWORKS = {"mlp": _mlp, "grouped": _grouped, "residual": _residual}
