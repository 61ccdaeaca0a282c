"""The contract of an attached mask: pruned weights are zero through everything training does."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zcproxy.errors import InputError, MaskError
from zcproxy.pruning import Mask, holding, prune

OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.9, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.1),
    "radam": lambda p: torch.optim.RAdam(p, 0.1),
    "asgd": lambda p: torch.optim.ASGD(p, 0.1),
}


def fresh() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 6),
        nn.Tanh(),
        nn.Linear(6, 3, bias=False),
    )


def batches() -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    while True:
        yield torch.randn(6, 2, 4, 4, generator=generator), torch.arange(6) % 3


def train(
    network: nn.Module, optimizer: torch.optim.Optimizer, steps: int, check: Mask | None = None
) -> None:
    """Train, and after every step prove what the mask says."""
    for _, (x, y) in zip(range(steps), batches(), strict=False):
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimizer.step()
        if check is not None:
            check.verify(network)


@pytest.fixture
def network() -> nn.Module:
    return fresh()


@pytest.fixture
def mask(network: nn.Module) -> Mask:
    return prune(network, *next(batches()), "snip", sparsity=0.8)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_it_holds_through_optimizers(network: nn.Module, mask: Mask, name: str) -> None:
    mask.attach(network)
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    train(network, OPTIMIZERS[name](network.parameters()), 4, mask)
    for n, p in network.named_parameters():
        if n in mask and n != "0.bias":
            assert bool((p[mask[n]] != before[n][mask[n]]).any()), "kept weights must train"
            assert p.grad is not None
            assert not bool(p.grad[~mask[n]].any())


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_momentum_older_than_the_mask_brings_nothing_back(
    network: nn.Module, mask: Mask, name: str
) -> None:
    """Applied once and not held, nearly all pruned weights come back with the next step."""
    optimizer = OPTIMIZERS[name](network.parameters())
    train(network, optimizer, 3)
    unheld, other = copy.deepcopy((network, optimizer))
    mask.apply(unheld)
    train(unheld, other, 1)
    with pytest.raises(MaskError, match="came back"):
        mask.verify(unheld)
    mask.attach(network)
    train(network, optimizer, 3, mask)


def test_training_is_that_of_a_network_with_weights_times_mask(
    network: nn.Module, mask: Mask
) -> None:
    """The slow twin multiplies by the mask inside the forward pass."""
    twin = copy.deepcopy(network)
    mask.apply(twin)
    mask.attach(network)
    train(network, OPTIMIZERS["sgd"](network.parameters()), 5)
    optimizer = OPTIMIZERS["sgd"](twin.parameters())
    bits = {n: b.float() for n, b in mask.items()}
    for _, (x, y) in zip(range(5), batches(), strict=False):
        optimizer.zero_grad()
        products = {n: p * bits[n] for n, p in twin.named_parameters() if n in bits}
        F.cross_entropy(torch.func.functional_call(twin, products, (x,)), y).backward()
        optimizer.step()
    for (name, p), q in zip(network.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-7, msg=name)


def test_accumulated_gradients_and_an_early_gradient(network: nn.Module, mask: Mask) -> None:
    optimizer = OPTIMIZERS["sgd"](network.parameters())
    x, y = next(batches())
    F.cross_entropy(network(x), y).backward()  # before the mask: its gradient is full
    mask.attach(network)
    for _ in range(3):
        F.cross_entropy(network(x), y).backward()
    optimizer.step()
    mask.verify(network)
    assert all(p.grad is not None for p in network.parameters())
    assert all(
        not bool(p.grad[~mask[n]].any())  # type: ignore[index]
        for n, p in network.named_parameters()
        if n in mask
    )


def test_mixed_precision_and_infinite_gradients(network: nn.Module, mask: Mask) -> None:
    mask.attach(network)
    optimizer = OPTIMIZERS["adam"](network.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    for _, (x, y) in zip(range(4), batches(), strict=False):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(network(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        mask.verify(network)
    (network(x).sum() * float("inf")).backward()
    gradient = network[4].weight.grad
    assert isinstance(gradient, Tensor)
    assert not bool(gradient.isfinite().all())
    assert bool((gradient[~mask["4.weight"]] == 0).all())
    network.bfloat16()
    network(x.bfloat16())
    mask.verify(network)


def test_copies_hold_and_are_independent(network: nn.Module, mask: Mask) -> None:
    mask.attach(network)
    train(network, OPTIMIZERS["sgd"](network.parameters()), 2)
    copied = copy.deepcopy(network)
    pickled = pickle.loads(pickle.dumps(network))
    file = io.BytesIO()
    torch.save(network, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    for other in (copied, pickled, loaded):
        holder = holding.attached(other)
        assert holder is not None
        assert not holder._handles, "of the original's parameters"
    for other in (copied, pickled, loaded, copy.deepcopy(copied)):
        mask.verify(other)
        train(other, OPTIMIZERS["adamw"](other.parameters()), 3, mask)
        mask.detach(other)
        train(other, OPTIMIZERS["adamw"](other.parameters()), 1)
        with pytest.raises(MaskError):
            mask.verify(other)
    train(network, OPTIMIZERS["sgd"](network.parameters()), 2, mask)


def test_the_state_dict_keeps_its_names_and_loading_keeps_zeros(
    network: nn.Module, mask: Mask
) -> None:
    plain = fresh()
    mask.attach(network)
    assert list(network.state_dict()) == list(plain.state_dict())
    train(network, OPTIMIZERS["sgd"](network.parameters()), 2)
    plain.load_state_dict(network.state_dict())
    mask.verify(plain)
    network.load_state_dict(fresh().state_dict())
    mask.verify(network)
    network.load_state_dict(fresh().state_dict(), assign=True)
    mask.verify(network)
    train(network, OPTIMIZERS["sgd"](network.parameters()), 2, mask)


def test_writing_past_all_hooks_ends_with_the_next_forward_pass(
    network: nn.Module, mask: Mask
) -> None:
    mask.attach(network)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(1)
    with pytest.raises(MaskError, match="0.weight: .* pruned weights came back"):
        mask.verify(network)
    network.eval()
    network(next(batches())[0])
    mask.verify(network)


def test_parameters_that_are_replaced_or_thawed_are_followed(
    network: nn.Module, mask: Mask
) -> None:
    mask.attach(network)
    layer = network[4]
    assert isinstance(layer, nn.Linear)
    layer.weight = nn.Parameter(torch.ones_like(layer.weight))
    layer.weight.requires_grad_(False)
    network(next(batches())[0])
    mask.verify(network)
    layer.weight.requires_grad_(True)
    train(network, OPTIMIZERS["sgd"](network.parameters()), 3, mask)


def test_one_layer_used_twice_and_two_forward_passes(mask: Mask) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(4, 4)
    network = nn.Sequential(layer, nn.Tanh(), layer)
    twice = prune(network, method="magnitude", density=0.5)
    twice.attach(network)
    optimizer = OPTIMIZERS["sgd"](network.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        x = torch.randn(5, 4)
        (network(x).square().mean() + network(-x).square().mean()).backward()
        optimizer.step()
        twice.verify(network)


def test_attention_whose_projection_is_never_called() -> None:
    torch.manual_seed(0)
    network = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    x = torch.randn(3, 5, 8)
    mask = prune(network, method="magnitude", density=0.3)
    mask.attach(network)
    optimizer = OPTIMIZERS["adamw"](network.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        network(x).square().mean().backward()
        optimizer.step()
        mask.verify(network)


def test_a_wrapped_network_trains_on(network: nn.Module, mask: Mask) -> None:
    from torch import distributed

    mask.attach(network)
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(network)
        optimizer = OPTIMIZERS["sgd"](wrapped.parameters())
        for _, (x, y) in zip(range(3), batches(), strict=False):
            optimizer.zero_grad()
            F.cross_entropy(wrapped(x), y).backward()
            optimizer.step()
            mask.verify(network)
            mask.verify(wrapped.module)
    finally:
        distributed.destroy_process_group()


def test_detaching_makes_it_permanent_and_leaves_nothing(network: nn.Module, mask: Mask) -> None:
    mask.attach(network)
    train(network, OPTIMIZERS["sgd"](network.parameters()), 2)
    with torch.no_grad():
        network[4].weight.add_(1)  # type: ignore[union-attr,operator]
    mask.detach(network)
    mask.verify(network)
    for module in network.modules():
        assert not module._forward_pre_hooks
        assert not module._load_state_dict_post_hooks
    assert not any(p._backward_hooks for p in network.parameters())
    train(network, OPTIMIZERS["sgd"](network.parameters()), 1)
    with pytest.raises(MaskError):
        mask.verify(network)
    with pytest.raises(InputError, match="not attached"):
        mask.detach(network)


def test_attaching_twice_and_two_masks(network: nn.Module, mask: Mask) -> None:
    mask.attach(network)
    mask.attach(network)
    assert len(network._forward_pre_hooks) == 1
    other = prune(network, method="random", density=0.5)
    with pytest.raises(InputError, match="another mask is attached"):
        other.attach(network)
    with pytest.raises(InputError, match="not attached"):
        other.detach(network)
    mask.detach(network)
    other.attach(network)
    other.verify(network)


def test_an_attached_network_can_be_scored_and_pruned_further(
    network: nn.Module, mask: Mask
) -> None:
    mask.attach(network)
    versions = [p._version for p in network.parameters()]
    further = prune(network, *next(batches()), "grasp", sparsity=0.9, rounds=2, initial=mask)
    assert all(not bool((bits & ~mask[n]).any()) for n, bits in further.items())
    assert [p._version for p in network.parameters()] == versions
    train(network, OPTIMIZERS["sgd"](network.parameters()), 2, mask)


def test_nothing_is_kept_alive(mask: Mask) -> None:
    network = fresh()
    mask.attach(network)
    train(network, OPTIMIZERS["sgd"](network.parameters()), 1)
    weight = weakref.ref(network[4].weight)  # type: ignore[arg-type]
    del network
    gc.collect()
    assert weight() is None
