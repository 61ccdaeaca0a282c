"""What the recorder sees, what it must not change, and what it lets go."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zcproxy import recorder
from zcproxy.recorder import Linearizer, Recorder

EVERYTHING = {"activations": True, "patterns": True, "twice": True}


def recorded(function: Callable[[], Tensor], weights: dict[int, str] | None = None) -> Recorder:
    watcher = Recorder(weights or {}, **EVERYTHING)
    with watcher:
        function()
    return watcher


def test_watching_changes_no_output_and_no_gradient() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding="same"),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 4, 3, stride=2, groups=2, bias=False),
        nn.GroupNorm(2, 4),
        nn.Hardtanh(),
        nn.Flatten(),
        nn.Linear(16, 3),
    ).double()
    x = torch.randn(3, 2, 6, 6).double()
    leaves = list(network.parameters())
    expected = network(x)
    slopes = torch.autograd.grad(expected.square().sum(), leaves)
    weights = {id(p): name for name, p in network.named_parameters()}
    watcher = Recorder(weights, **EVERYTHING)
    with watcher:
        found = network(x)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    watched = torch.autograd.grad(found.square().sum(), leaves)
    for one, other in zip(watched, slopes, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_running_statistics_are_still_used_in_evaluation_mode() -> None:
    norm = nn.BatchNorm1d(3).eval()
    norm.running_mean.fill_(5.0)
    x = torch.randn(4, 3)
    with Recorder({}, **EVERYTHING):
        found = norm(x)
    assert torch.equal(found, norm(x))


def test_patterns_count_units_that_are_on_together() -> None:
    x = torch.tensor([[1.0, -1.0, 2.0], [1.0, 1.0, -2.0]])
    ((_, gram, width),) = recorded(lambda: F.relu(x)).patterns
    assert gram.tolist() == [[2, 1], [1, 2]]
    assert width == 3


def test_a_clamp_by_tensors_is_no_piecewise_activation() -> None:
    x = torch.randn(2, 3)
    assert recorded(lambda: torch.clamp(x, torch.zeros(3), torch.ones(3))).patterns == []
    assert len(recorded(lambda: torch.clamp(x, 0, 6)).patterns) == 2
    assert len(recorded(lambda: x.clamp(max=6)).patterns) == 1


def test_only_known_weights_are_noted() -> None:
    x, known, other = torch.randn(4, 3), torch.randn(2, 3), torch.randn(2, 3)
    known.requires_grad_()
    other.requires_grad_()
    watcher = Recorder({id(known): "known"}, **EVERYTHING)
    with watcher:
        loss = (F.linear(x, known) * F.linear(input=x, weight=other)).sum()
    watcher.fisher.listening = True
    loss.backward()
    assert list(watcher.fisher.channels) == ["known"]


def test_nothing_is_collected_unless_listening() -> None:
    weight = torch.randn(2, 3).requires_grad_()
    watcher = Recorder({id(weight): "weight"}, **EVERYTHING)
    with watcher:
        F.linear(torch.randn(4, 3), weight).sum().backward()
    assert watcher.fisher.channels == {}


@pytest.mark.parametrize(
    ("call", "overwrites"),
    [
        (lambda x: x.add_(1), True),
        (lambda x: x.__iadd__(1), True),
        (lambda x: x.__setitem__(0, 1.0), True),
        (lambda x: F.relu(x, inplace=True), True),
        (lambda x: F.relu(x, True), True),
        (lambda x: F.dropout(x, 0.5, True, True), True),
        (lambda x: torch.relu_(x), True),
        (lambda x: x.add(1), False),
        (lambda x: x + 1, False),
        (lambda x: F.relu(x), False),
        (lambda x: F.relu(x, inplace=False), False),
        (lambda x: x.__add__(1), False),
    ],
)
def test_overwriting_is_noticed(call: Callable[[Tensor], Tensor], overwrites: bool) -> None:
    seen: list[bool] = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            seen.append(recorder._in_place(func, args, kwargs or {}))
            return func(*args, **(kwargs or {}))

    x = torch.randn(3, 2)
    with Watch():
        call(x)
    assert any(seen) == overwrites


NORMS: list[tuple[Callable[[Tensor], Tensor], bool]] = [
    (lambda x: F.batch_norm(x, None, None, training=True), True),
    (lambda x: F.batch_norm(input=x, running_mean=None, running_var=None, training=True), True),
    (lambda x: F.layer_norm(x, (4,)), False),
    (lambda x: F.group_norm(x, 2), False),
    (lambda x: F.instance_norm(x), False),
    (lambda x: F.rms_norm(x, (4,)), False),
    (lambda x: F.dropout(x, 0.5), False),
]


@pytest.mark.parametrize(("norm", "batch"), NORMS)
def test_which_functions_become_identities(norm: Callable[[Tensor], Tensor], batch: bool) -> None:
    x = torch.randn(3, 2, 4)
    with Linearizer(everything=True):
        assert norm(x) is x
    with Linearizer(everything=False):
        assert (norm(x) is x) == batch


def test_nothing_stays_on_the_stack_of_modes() -> None:
    with pytest.raises(RuntimeError), Recorder({}, **EVERYTHING):
        torch.randn(2) @ torch.randn(3)
    assert torch.overrides._get_current_function_mode_stack() == []
