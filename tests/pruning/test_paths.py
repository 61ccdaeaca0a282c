"""Weights on a path: by removing them one at a time, and by enumerating paths."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zcproxy.pruning import Mask, prune
from zcproxy.pruning.paths import effective


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)))
        out: Tensor = self.head((torch.relu(self.conv(x)) + x).mean((2, 3)))
        return out


def convolutional(pool: Callable[[int], nn.Module] = nn.MaxPool2d) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, bias=False),
        nn.ReLU(),
        pool(2),
        nn.Conv2d(3, 4, 2, stride=2, groups=1),
        nn.Sigmoid(),
        nn.Flatten(),
        nn.Linear(4, 3),
        nn.Tanh(),
        nn.Linear(3, 2),
    )


def flow(network: nn.Module, mask: dict[str, Tensor], shape: tuple[int, ...]) -> float:
    """The sum over all paths of products of ones: exact, as numbers here stay below 2^53."""
    bits = {n: b.double() for n, b in mask.items()}
    zeros = {n: torch.zeros_like(p).double() for n, p in network.named_parameters() if "bias" in n}
    others = {
        n: torch.ones_like(p).double()
        for n, p in network.named_parameters()
        if n not in bits and n not in zeros
    }
    buffers = {n: b.double() if b.is_floating_point() else b for n, b in network.named_buffers()}
    everything = {**bits, **zeros, **others, **buffers}
    out = torch.func.functional_call(network, everything, (torch.ones(1, *shape).double(),))
    return float(out.sum())


def by_removal(
    network: nn.Module, mask: dict[str, Tensor], shape: tuple[int, ...]
) -> dict[str, Tensor]:
    """A weight is on a path if less flows without it."""
    total = flow(network, mask, shape)
    found = {name: torch.zeros_like(bits) for name, bits in mask.items()}
    for name, bits in mask.items():
        for i in torch.nonzero(bits.flatten())[:, 0].tolist():
            less = {n: b.clone() for n, b in mask.items()}
            less[name].view(-1)[i] = False
            found[name].view(-1)[i] = flow(network, less, shape) < total - 1e-9 * total
    return found


def linear(network: nn.Module) -> nn.Module:
    """The same network for the oracle: identities instead of activations and norms, mean pools."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Sigmoid | nn.Tanh | nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
            if isinstance(child, nn.MaxPool2d):
                setattr(module, name, nn.AvgPool2d(child.kernel_size))
    return network


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (
        lambda: nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.Linear(5, 5), nn.Linear(5, 2)),
        (4,),
    ),
    "convolutional": (convolutional, (2, 6, 6)),
    "residual": (Residual, (2, 5, 5)),
    "transposed": (
        lambda: nn.Sequential(nn.Conv1d(2, 4, 3, groups=2), nn.ConvTranspose1d(4, 3, 2)),
        (2, 6),
    ),
}


@pytest.mark.parametrize("density", [0.5, 0.15, 0.05])
@pytest.mark.parametrize("name", list(NETWORKS))
def test_it_is_what_less_flows_without(name: str, density: float) -> None:
    make, shape = NETWORKS[name]
    network, some = make(), 0
    twin = linear(network)
    if name == "mlp":
        twin[1] = nn.Identity()  # type: ignore[index,operator]
    for seed in range(2):
        mask = prune(network, method="random", density=density, seed=seed)
        expected = by_removal(twin, dict(mask), shape)
        found = effective(network, mask, torch.randn(3, *shape))
        for n in mask:
            assert torch.equal(found[n], expected[n]), (n, seed)
        some += mask.kept - sum(int(b.sum()) for b in expected.values())
    assert density == 0.5 or some > 0, "the cases must have weights on no path"


def test_all_paths_of_a_perceptron() -> None:
    sizes = (3, 4, 4, 2)
    network = nn.Sequential(*(nn.Linear(a, b) for a, b in itertools.pairwise(sizes)))
    mask = prune(network, method="random", density=0.3, seed=2)
    expected = {name: torch.zeros_like(bits) for name, bits in mask.items()}
    for path in itertools.product(*(range(size) for size in sizes)):
        steps = [(f"{i}.weight", b, a) for i, (a, b) in enumerate(itertools.pairwise(path))]
        if all(bool(mask[name][b, a]) for name, b, a in steps):
            for name, b, a in steps:
                expected[name][b, a] = True
    found = effective(network, mask, torch.zeros(1, 3))
    assert all(torch.equal(found[name], expected[name]) for name in mask)
    assert 0 < sum(int(b.sum()) for b in found.values()) < mask.kept


def test_a_dense_network_is_all_on_paths_however_deep_or_wide() -> None:
    torch.manual_seed(0)
    deep = nn.Sequential(*(nn.Linear(30, 30) for _ in range(300)))
    full = Mask(
        {n: torch.ones_like(p, dtype=torch.bool) for n, p in deep.named_parameters() if p.dim() > 1}
    )
    assert all(bool(b.all()) for b in effective(deep, full, torch.zeros(1, 30)).values())
    thin = {n: torch.zeros(30, 30, dtype=torch.bool) for n in full}
    for bits in thin.values():
        bits[7, 7] = True
    assert all(int(b.sum()) == 1 for b in effective(deep, thin, torch.zeros(1, 30)).values())
    thin["150.weight"][7, 7] = False
    assert not any(bool(b.any()) for b in effective(deep, thin, torch.zeros(1, 30)).values())

    for layer in ("5.weight", "295.weight"):  # sums of 30 ** 290 paths are infinite, times 0 nan
        dead = {**full, layer: torch.zeros(30, 30, dtype=torch.bool)}
        assert not any(bool(b.any()) for b in effective(deep, dead, torch.zeros(1, 30)).values())


POOLS = [
    *(nn.MaxPool2d(2), nn.MaxPool2d(2, padding=1), nn.AdaptiveMaxPool2d(1), nn.AvgPool2d(2)),
    nn.Sequential(nn.Flatten(2), nn.MaxPool1d(4), nn.Unflatten(2, (1, 1))),
]


@pytest.mark.parametrize("pool", POOLS, ids=str)
def test_all_of_a_pooling_window_is_on_paths(pool: nn.Module) -> None:
    """Whichever of the four values is the largest."""
    first = nn.Sequential(nn.Linear(1, 4), nn.Unflatten(1, (1, 2, 2)), pool, nn.Flatten())
    network = nn.Sequential(first, nn.LazyLinear(1))
    network(torch.zeros(1, 1))
    mask = prune(network, method="magnitude", density=1)
    assert all(bool(b.all()) for b in effective(network, mask, torch.zeros(1, 1)).values())


ACTIVATIONS = [nn.ReLU(), nn.Sigmoid(), nn.Softplus(), nn.GELU(), nn.Hardtanh(), nn.ReLU6()]
ACTIVATIONS += [nn.Hardsigmoid(), nn.SiLU(), nn.Tanh(), nn.LayerNorm(2), nn.BatchNorm1d(2)]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_what_an_activation_gives_without_input_is_no_path(activation: nn.Module) -> None:
    network = nn.Sequential(nn.Linear(2, 2), activation, nn.Linear(2, 1))
    kept = torch.tensor([[True, True], [False, False]])
    mask = {"0.weight": kept, "2.weight": torch.ones(1, 2).bool()}
    found = effective(network, mask, torch.zeros(1, 2))
    assert torch.equal(found["0.weight"], kept)
    assert found["2.weight"].tolist() == [[True, False]]


def test_a_bias_is_no_beginning_of_a_path() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    mask = {
        "0.weight": torch.tensor([[True, True], [False, False]]),
        "2.weight": torch.ones(1, 2).bool(),
    }
    found = effective(network, mask, torch.zeros(1, 2))
    assert found["2.weight"].tolist() == [[True, False]]


class Attention(nn.Module):
    """Single-head attention, written out or by torch's functions and modules."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.q, self.k, self.v, self.o = (nn.Linear(4, 4, bias=False) for _ in range(4))
        self.module = nn.MultiheadAttention(4, 2, bias=False, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "module":
            out: Tensor = self.module(x, x, x)[0]
            return out
        q, k, v = self.q(x), self.k(x), self.v(x)
        if self.how == "function":
            return self.o(F.scaled_dot_product_attention(q, k, v))  # type: ignore[no-any-return]
        return self.o(torch.softmax(q @ k.transpose(1, 2) / 2, -1) @ v)  # type: ignore[no-any-return]


def attention_mask(how: str, dead: str) -> dict[str, Tensor]:
    """All weights of queries, keys, values and output kept, but those of one."""
    bits = {n: torch.full((4, 4), n != dead) for n in "qkvo"}
    if how == "module":
        packed = torch.cat([bits["q"], bits["k"], bits["v"]])
        return {"module.in_proj_weight": packed, "module.out_proj.weight": bits["o"]}
    return {f"{n}.weight": b for n, b in bits.items()}


@pytest.mark.parametrize("how", ["written", "function", "module"])
@pytest.mark.parametrize(
    ("dead", "alive"), [("", "qkvo"), ("q", "vo"), ("k", "vo"), ("v", ""), ("o", "")]
)
def test_paths_through_attention(how: str, dead: str, alive: str) -> None:
    """Without queries or keys it still averages values; without values nothing passes."""
    mask = attention_mask(how, dead)
    found = effective(Attention(how), mask, torch.randn(2, 3, 4))
    if how == "module":
        q, k, v = found["module.in_proj_weight"].chunk(3)
        found = {"q": q, "k": k, "v": v, "o": found["module.out_proj.weight"]}
    lives = "".join(n[0] for n, b in found.items() if bool(b.all()))
    dies = "".join(n[0] for n, b in found.items() if not bool(b.any()))
    assert (lives, dies) == (alive, "".join(n for n in "qkvo" if n not in alive))


def test_causal_attention_has_no_path_from_the_future() -> None:
    class Causal(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.later = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            y = torch.stack([self.first(x[:, 0]), self.later(x[:, 1])], 1)
            mixed = F.scaled_dot_product_attention(y, y, y, is_causal=True)
            return mixed[:, 0]

    network = Causal()
    mask = {n: torch.ones(4, 4).bool() for n in ("first.weight", "later.weight")}
    found = effective(network, mask, torch.randn(1, 2, 4))
    assert bool(found["first.weight"].all())
    assert not bool(found["later.weight"].any())


def test_the_network_and_random_states_are_left_alone() -> None:
    network = Residual()
    before = copy.deepcopy(network.state_dict())
    state = torch.get_rng_state()
    mask = prune(network, method="random", density=0.5)
    one, same = (effective(network, mask, torch.randn(2, 2, 5, 5).fill_(c)) for c in (0, 3))
    torch.set_rng_state(state)
    assert all(torch.equal(one[n], same[n]) for n in mask)
    assert all(torch.equal(v, before[n]) for n, v in network.state_dict().items())
    assert network.training
