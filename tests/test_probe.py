"""The probe measures any network, measures once, and leaves everything as it was."""

from __future__ import annotations

import gc
import random
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune

import zcproxy
from zcproxy import catalogue, protocols, proxies, second_order
from zcproxy.errors import InputError, MeasureError
from zcproxy.probe import ALONE, Probe
from zcproxy.scoring import measure

EVERYTHING = proxies.names()
CLEAN = protocols.get("clean")
COUNTS = {"params", "flops", "live_params", "live_convs", "depth"}
BLOCKS = {"az_expressivity", "az_progressivity", "az_trainability"}
"""Proxies of the feature maps between blocks."""
MAPS = {"zen", "meco", "meco_opt"}
"""Proxies of feature maps with several positions, on noise."""
CLASSES = {"epe_nas"}
"""Proxies of two images of one class."""
PIECEWISE = {"nwot", "swap", "reg_swap", "linear_regions"}
"""Proxies of ReLUs and their like."""
PARTS = {"zico", "grad_sign"}
"""Proxies of parts of the batch; the order of the batch matters to the first."""
LAYERS = {"snip", "plain", "grad_norm", "grasp", "fisher", "l2_norm", "ntk_condition", "snr_snip"}
LAYERS |= {"synflow", "synflow_bn", "logsynflow", "snr_synflow"} | PARTS
LAYERS |= {"t_cet_snip", "t_cet_synflow"}
"""Proxies of the weights of convolution and linear layers."""
KNOWN = COUNTS | BLOCKS | MAPS | CLASSES | PIECEWISE | LAYERS | {"jacob_cov", "vkdnw"}
"""Proxies whose outcome is said here; of others only what must hold for all is tested."""


def failures(results: Any) -> dict[str, str]:
    """The kind of failure of every known proxy that has no value."""
    return {n: r.failure for n, r in results.items() if n in KNOWN and r.failure is not None}


def not_applicable(names: set[str]) -> dict[str, str]:
    return dict.fromkeys(names, "not_applicable")


def test_every_known_proxy_is_there() -> None:
    assert set(EVERYTHING) >= KNOWN


class Demanding(nn.Module):
    """Batch norm, dropout, in-place operations and calls of all global random states."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.norm = nn.BatchNorm2d(4, momentum=0.3)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.3)
        self.frozen = nn.Linear(16, 4)
        self.head = nn.Linear(4, 3)
        self.frozen.requires_grad_(False)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.norm.eval()

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        scale = 1 + 0.1 * random.random() + 0.1 * float(np.random.rand())
        x = self.relu(self.norm(self.conv(x)) * scale)
        x = self.dropout(x.flatten(1))
        out: Tensor = self.head(F.gelu(self.frozen(x)))
        return out


def demanding() -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    return Demanding(), torch.randn(6, 2, 4, 4), torch.arange(6) % 3


def values(network: nn.Module, inputs: Any, targets: Any, **how: Any) -> dict[str, float | None]:
    return {n: r.value for n, r in measure(network, inputs, targets, EVERYTHING, **how).items()}


def test_the_network_is_left_as_it_was() -> None:
    network, inputs, targets = demanding()
    hook = network.conv.register_forward_hook(lambda *_: None)
    network.conv.weight.grad = torch.full_like(network.conv.weight, 7.0)
    state = {name: t.clone() for name, t in network.state_dict().items()}
    storage = {name: p.data_ptr() for name, p in network.named_parameters()}
    identities = {name: id(p) for name, p in network.named_parameters()}
    wanted = {name: p.requires_grad for name, p in network.named_parameters()}
    modes = {name: m.training for name, m in network.named_modules()}
    gradient = network.conv.weight.grad
    before = inputs.clone()
    result = values(network, inputs, targets)
    assert result["snip"] is not None
    assert network.state_dict().keys() == state.keys()
    assert all(torch.equal(t, state[name]) for name, t in network.state_dict().items())
    assert int(network.calls) == 0
    assert int(network.norm.num_batches_tracked) == 0
    assert {name: p.data_ptr() for name, p in network.named_parameters()} == storage
    assert {name: id(p) for name, p in network.named_parameters()} == identities
    assert {name: p.requires_grad for name, p in network.named_parameters()} == wanted
    assert {name: m.training for name, m in network.named_modules()} == modes
    assert not network.norm.training
    assert network.conv.weight.grad is gradient
    assert bool((gradient == 7).all())
    assert network.head.weight.grad is None
    assert list(network.conv._forward_hooks) == [hook.id]
    assert not network.norm._forward_hooks
    assert torch.equal(inputs, before)
    assert not inputs.requires_grad
    assert inputs.grad is None


def test_a_failing_network_is_left_as_it_was() -> None:
    network, inputs, targets = demanding()
    torch.manual_seed(5)
    state, modes = torch.get_rng_state(), [m.training for m in network.modules()]
    with pytest.raises(InputError):
        values(network, inputs[:, :1], targets)
    with pytest.raises(InputError):
        values(network, inputs, targets + 9)
    assert torch.equal(torch.get_rng_state(), state)
    assert [m.training for m in network.modules()] == modes
    assert len(torch.overrides._get_current_function_mode_stack()) == 0
    assert second_order._weights_wanted


def test_all_random_states_are_left_as_they_were() -> None:
    network, inputs, targets = demanding()
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()

    def noisy(output: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(output + torch.rand_like(output), labels)

    measure(network, inputs, targets, EVERYTHING, loss=noisy)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.random.get_state()[1].tolist() == states[2]


def test_randomness_inside_comes_from_the_seed_alone() -> None:
    network, inputs, targets = demanding()
    first = values(network, inputs, targets, seed=1)
    torch.rand(3)
    random.random()
    assert values(network, inputs, targets, seed=1) == first
    assert values(network, inputs, targets, seed=2)["snip"] != first["snip"]


def test_the_network_runs_in_training_mode_whatever_its_own() -> None:
    network, inputs, targets = demanding()
    network.train()
    expected = values(network, inputs, targets)
    network.eval()
    assert values(network, inputs, targets) == expected
    assert not any(m.training for m in network.modules())


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_the_callers_gradient_mode_plays_no_part(context: Callable[[], Any]) -> None:
    network, inputs, targets = demanding()
    expected = values(network, inputs, targets)
    weights = zcproxy.saliency(network, inputs, targets, "grasp")
    with context():
        enabled, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        assert values(network, inputs, targets) == expected
        found = zcproxy.saliency(network, inputs, targets, "grasp")
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == (enabled, inference)
    assert torch.is_grad_enabled()
    assert all(torch.equal(found[name], weights[name]) for name in weights)


def test_what_was_made_under_inference_mode_can_be_measured() -> None:
    with torch.inference_mode():
        network, inputs, targets = demanding()
    other, same_inputs, same_targets = demanding()
    assert values(network, inputs, targets) == values(other, same_inputs, same_targets)


def test_the_order_of_the_batch_plays_no_part() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    ).double()
    inputs, targets = torch.randn(6, 2, 4, 4).double(), torch.arange(6) % 3
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    expected = values(network, inputs, targets)
    found = values(network, inputs[order], targets[order])
    assert {n for n, v in expected.items() if v is None} == {
        n for n, v in found.items() if v is None
    }
    assert {n for n in KNOWN if expected[n] is None} == BLOCKS
    for name in KNOWN - {"zico"}:
        if expected[name] is not None:
            assert found[name] == pytest.approx(expected[name], rel=1e-9), name
    assert values(network, inputs, targets[order])["snip"] != pytest.approx(expected["snip"])


class Counting(torch.autograd.Function):
    """The identity; counts its backward passes, and theirs."""

    log: list[str]

    @staticmethod
    def forward(ctx: Any, x: Tensor, log: list[str]) -> Tensor:
        ctx.log = log
        log.append("forward")
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return CountingBackward.apply(g, ctx.log), None


class CountingBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: Tensor, log: list[str]) -> Tensor:
        ctx.log = log
        log.append("backward")
        return g.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        ctx.log.append("second")
        return g, None


def counted(names: list[str]) -> list[str]:
    """What happens to a network when these proxies are asked for."""

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.log: list[str] = []
            self.conv, self.head = nn.Conv2d(1, 2, 3), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = Counting.apply(self.conv(x), self.log)
            out: Tensor = self.head(F.relu(x).flatten(1))
            return out

    torch.manual_seed(0)
    network = Network()
    results = measure(network, torch.randn(4, 1, 4, 4), torch.arange(4) % 3, names)
    assert all(r.failure is None for r in results.values()), results
    return sorted(network.log)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["snip", "grad_norm", "plain", "fisher", "l2_norm", "nwot", "flops"],
            ["backward", "forward"],
        ),
        (["params"], []),
        (["flops", "nwot"], ["forward"]),
        (["synflow"], ["backward", "forward"]),
        (["jacob_cov"], ["backward", "forward"]),
        (["jacob_cov", "snip"], ["backward", "backward", "forward"]),
        (["swap", "reg_swap", "nwot", "linear_regions"], ["forward"]),
        (["zen"], ["forward", "forward"]),
        (["meco"], ["forward", "forward"]),
    ],
)
def test_nothing_is_computed_twice(names: list[str], expected: list[str]) -> None:
    assert counted(names) == expected


def test_everything_costs_the_passes_of_its_union() -> None:
    """Of proxies that do not run the network again."""
    names = [n for n in sorted(KNOWN) if not catalogue.load("zcproxy.proxies", n)[1] & ALONE]
    log = counted([*names, "swap", "linear_regions"])
    assert log.count("forward") == 3  # the batch, SynFlow's ones with and without batch norm
    # of the loss, of the outputs by the inputs, of SynFlow, and in GraSP's derivative of the first
    assert log.count("backward") == 5
    assert log.count("second") == 1


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    network = nn.Linear(2, 3)
    calls: list[int] = []
    network.register_forward_hook(lambda *_: calls.append(1))
    probe = Probe(network, torch.randn(3, 2), torch.tensor([0, 1, 2]), CLEAN)
    assert not calls
    _ = probe.loss, probe.output, probe.gradients, probe.loss
    assert len(calls) == 1


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("names", [["fisher", "snip"], ["nwot"], ["grasp"], ["flops"], EVERYTHING])
def test_the_graph_and_the_activations_are_freed_at_once(names: list[str]) -> None:
    seen: list[weakref.ref[Tensor]] = []

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.first(x)
            z = F.relu(y)
            seen.extend([weakref.ref(y), weakref.ref(z)])
            out: Tensor = self.last(z)
            return out

    torch.manual_seed(0)
    measure(Network(), torch.randn(2, 3), torch.tensor([0, 1]), names)
    assert seen
    assert all(ref() is None for ref in seen)


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(3, 4), nn.Linear(2, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, image: Tensor, *, extra: Tensor | None = None, **more: Tensor) -> Tensor:
        y = self.one(image) if extra is None else self.one(image) + self.other(extra)
        out: Tensor = self.head(F.relu(y))
        return out


def test_inputs_may_be_named() -> None:
    torch.manual_seed(0)
    network, x, y = TwoInputs(), torch.randn(3, 3), torch.tensor([0, 1, 2])
    plain = values(network, x, y)
    assert plain == values(network, {"image": x}, y) == values(network, [x], y)
    both = values(network, {"image": x, "extra": torch.randn(3, 2)}, y)
    assert both["live_params"] == (plain["live_params"] or 0) + 12
    assert not x.requires_grad


def test_integers_and_floats_may_come_together() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.head = nn.Embedding(5, 4), nn.Linear(4, 3)

        def forward(self, tokens: Tensor, weights: Tensor) -> Tensor:
            out: Tensor = self.head((self.words(tokens) * weights[..., None]).sum(1).relu())
            return out

    torch.manual_seed(0)
    inputs = torch.randint(0, 5, (3, 4)), torch.rand(3, 4)
    found = values(Mixed(), inputs, torch.tensor([0, 1, 2]))
    assert found["jacob_cov"] is not None
    assert found["snip"] is not None


def test_an_output_may_be_wrapped_as_logits() -> None:
    class Wrapped(nn.Linear):
        def forward(self, x: Tensor) -> Any:
            return type("Output", (), {"logits": super().forward(x)})()

    torch.manual_seed(0)
    batch = torch.randn(3, 2), torch.tensor([0, 1, 2])
    wrapped, plain = Wrapped(2, 3), nn.Linear(2, 3)
    plain.load_state_dict(wrapped.state_dict())
    assert zcproxy.score(wrapped, *batch, ["snip"]) == zcproxy.score(plain, *batch, ["snip"])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_networks_of_other_precision(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)).double()
    x, y = torch.randn(4, 4).double(), torch.tensor([0, 1, 2, 0])
    exact = zcproxy.score(network, x, y, ["snip", "grasp", "fisher", "synflow", "l2_norm"])
    found = zcproxy.score(network.to(dtype), x.to(dtype), y, list(exact))
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-4, torch.bfloat16: 0.1}[dtype]
    assert found == pytest.approx(exact, rel=tolerance)


def test_an_in_place_operation_on_the_input_neither_fails_nor_reaches_the_caller() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3))
    other = nn.Sequential(nn.ReLU(), network[1])
    x, y = torch.randn(5, 4), torch.arange(5) % 3
    before = x.clone()
    assert values(network, x, y) == values(other, x, y)
    assert torch.equal(x, before)
    tokens = torch.zeros(5, 2, dtype=torch.int64)

    class Shifted(nn.Sequential):
        def forward(self, x: Tensor) -> Any:
            return super().forward(x.add_(1))

    values(Shifted(nn.Embedding(3, 2), nn.Flatten(), nn.Linear(4, 3)), tokens, y)
    assert int(tokens.sum()) == 0


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_every_measure_takes_batch_norm_with_and_without_affine(
    affine: bool, dimensions: int
) -> None:
    torch.manual_seed(0)
    if dimensions == 1:
        norm: nn.Module = nn.BatchNorm1d(5, affine=affine)
        network = nn.Sequential(nn.Linear(6, 5), norm, nn.ReLU(), nn.Linear(5, 3))
        inputs = torch.randn(3, 6)
    else:
        norm = nn.BatchNorm2d(4, affine=affine, track_running_stats=False)
        layers = [nn.Conv2d(1, 4, 3, padding=1), norm, nn.ReLU(), nn.Flatten()]
        network = nn.Sequential(*layers, nn.Linear(100, 3))
        inputs = torch.randn(3, 1, 5, 5)
    results = measure(network, inputs, torch.arange(3), EVERYTHING)
    without = BLOCKS | CLASSES
    if dimensions == 1:  # one image alone has no variance, and there are no feature maps
        without |= MAPS | PARTS | {"synflow_bn"}
    assert failures(results) == not_applicable(without)


def test_shared_weights_are_one_weight() -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    second.weight = first.weight
    tied = nn.Sequential(first, nn.Tanh(), second, nn.Tanh(), nn.Linear(4, 3)).double()
    x, y = torch.randn(5, 4).double(), torch.arange(5) % 3
    twice = nn.Sequential(tied[0], nn.Tanh(), tied[0], nn.Tanh(), tied[4])
    names = ["snip", "plain", "grasp", "fisher", "grad_norm", "l2_norm", "synflow", "params"]
    assert zcproxy.score(tied, x, y, names) == zcproxy.score(twice, x, y, names)
    found = zcproxy.saliency(tied, x, y, "plain")
    assert list(found) == ["0.weight", "4.weight"]
    weight = tied[0].weight.detach()

    def loss(shared: Tensor) -> Tensor:
        hidden = torch.tanh(torch.tanh(x @ shared.T) @ shared.T)
        return F.cross_entropy(tied[4](hidden), y)

    slope = torch.autograd.functional.jacobian(loss, weight)
    torch.testing.assert_close(found["0.weight"], weight * slope)


def test_a_module_that_occurs_twice_gets_its_weights_back() -> None:
    layer, norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
    weight, mean = layer.weight, norm.running_mean
    network = nn.Sequential(layer, norm, nn.ReLU(), layer, norm, nn.Linear(4, 3))
    values(network, torch.randn(5, 4), torch.arange(5) % 3)
    assert layer.weight is weight
    assert norm.running_mean is mean
    assert bool((mean == 0).all())


@pytest.mark.parametrize("protocol", ["clean", "abdelfattah2021"])
def test_weights_computed_from_others_are_refused_with_the_remedy(protocol: str) -> None:
    batch = torch.randn(4, 3), torch.tensor([0, 1, 1, 0])
    normed = nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 2)))
    pruned = nn.Sequential(nn.Linear(3, 2))
    prune.random_unstructured(pruned[0], "weight", 0.5)
    for network in (normed, pruned):
        with pytest.raises(InputError, match=r"remove_parametrizations.*prune\.remove"):
            zcproxy.score(network, *batch, ["snip"], protocol)
    parametrize.remove_parametrizations(normed[0], "weight")
    prune.remove(pruned[0], "weight")
    for network in (normed, pruned):
        assert zcproxy.score(network, *batch, ["snip"], protocol)["snip"] > 0


def test_uninitialized_and_complex_parameters_are_refused() -> None:
    batch = torch.randn(4, 3), torch.tensor([0, 1, 1, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that lazy modules may change
        lazy = nn.Sequential(nn.LazyLinear(2))
    with pytest.raises(InputError, match=r"0\.weight has no shape yet"):
        zcproxy.score(lazy, *batch, ["snip"])
    with pytest.raises(InputError, match=r"weight is complex"):
        zcproxy.score(nn.Linear(3, 2, dtype=torch.complex64), *batch, ["snip"])


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (torch.randn(0, 3), torch.zeros(0).long(), "the batch is empty"),
        ([], torch.zeros(2).long(), "the batch is empty"),
        ({}, torch.zeros(2).long(), "the batch is empty"),
        (torch.tensor(1.0), torch.zeros(1).long(), "the batch is empty"),
        (np.zeros((2, 3)), torch.zeros(2).long(), "must be tensors, not ndarray"),
        ([[1.0, 2.0, 3.0]], torch.zeros(1).long(), "must be tensors, not list"),
        (torch.randn(2, 4), torch.zeros(2).long(), r"inputs of shape \(2, 4\)"),
        (torch.randn(2, 3).double(), torch.zeros(2).long(), "same dtype"),
        (torch.randn(2, 3), torch.zeros(3).long(), r"output of shape \(2, 5\)"),
        (torch.randn(2, 3), torch.zeros(2), "these targets"),
        (torch.randn(2, 3), torch.tensor([0, 5]), "out of bounds"),
        (torch.randn(2, 3), None, "these targets"),
    ],
)
def test_a_wrong_batch_is_refused_in_words(inputs: Any, targets: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        zcproxy.score(nn.Linear(3, 5), inputs, targets, ["snip"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda out, _: out, r"scalar, not of shape \(2, 5\)"),
        (lambda out, _: None, "must return a scalar tensor, not None"),
        (lambda out, _: out.sum().item(), "must return a scalar tensor, not float"),
        (3, "loss must be a function of output and targets, not int"),
    ],
)
def test_a_loss_that_is_no_scalar_is_refused(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        zcproxy.score(nn.Linear(3, 5), torch.randn(2, 3), None, ["snip"], loss=given)


ERRORS = [
    (KeyError("layer"), "KeyError: 'layer'"),
    (AttributeError("no such thing"), "AttributeError: no such thing"),
    (AssertionError(), "AssertionError"),
    (NotImplementedError(), "NotImplementedError"),
    (ZeroDivisionError("first\nsecond"), "ZeroDivisionError: first"),
    (RuntimeError("as ever"), "RuntimeError: as ever"),
    (StopIteration(), "StopIteration"),
    (OSError(2, "No such file"), r"FileNotFoundError: \[Errno 2\] No such file"),
]


class Failing(torch.autograd.Function):
    """The identity, whose backward pass raises."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, error: Exception) -> Tensor:
        ctx.error = error
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        raise ctx.error


@pytest.mark.parametrize(("error", "reason"), ERRORS)
@pytest.mark.parametrize("place", ["forward", "backward", "loss"])
def test_whatever_the_users_code_raises_is_one_line(
    error: Exception, reason: str, place: str
) -> None:
    class Broken(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            if place == "forward":
                raise error
            x = super().forward(x)
            return Failing.apply(x, error) if place == "backward" else x

    def loss(output: Tensor, targets: Tensor) -> Tensor:
        if place == "loss":
            raise error
        return F.cross_entropy(output, targets)

    batch = torch.randn(2, 3), torch.tensor([0, 1])
    with pytest.raises(InputError, match=f": {reason}$") as caught:
        zcproxy.score(Broken(3, 2), *batch, ["snip"], loss=loss)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error or place == "backward"
    assert len(torch.overrides._get_current_function_mode_stack()) == 0


@pytest.mark.parametrize(("error", "reason"), ERRORS)
def test_what_it_raises_in_float64_alone_is_one_line_of_one_proxy(
    error: Exception, reason: str
) -> None:
    class Broken(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            if x.dtype == torch.float64:
                raise error
            return super().forward(x)

    batch = torch.randn(2, 3), torch.tensor([0, 1])
    with pytest.raises(MeasureError, match=f"^synflow: .*: {reason}$") as caught:
        zcproxy.score(Broken(3, 2), *batch, ["snip", "synflow"])
    assert "\n" not in str(caught.value)
    assert caught.value.kind == "not_applicable"
    assert set(caught.value.scores) == {"snip"}  # type: ignore[attr-defined]
    assert len(torch.overrides._get_current_function_mode_stack()) == 0


def test_a_second_backward_pass_that_raises_is_a_typed_failure() -> None:
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            return Failing.apply(g, KeyError("twice"))

    class Network(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = Once.apply(super().forward(x))
            return out

    results = measure(Network(3, 2), torch.randn(4, 3), torch.tensor([0, 1, 1, 0]), ["grasp"])
    assert results["grasp"].failure == "not_applicable"
    assert str(results["grasp"].message).endswith("differentiated twice: KeyError: 'twice'")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"network": "net"}, "network must be a torch.nn.Module, not str"),
        ({"network": F.relu}, "network must be a torch.nn.Module, not function"),
        ({"network": None}, "network must be a torch.nn.Module, not None"),
        ({"network": nn.Linear}, "network must be a torch.nn.Module, not type"),
        ({"inputs": None}, "inputs must be tensors, not None: give one tensor, a list"),
        ({"inputs": 3}, "inputs must be tensors, not int"),
        ({"inputs": {"input": 3}}, "inputs must be tensors, not int"),
        ({"inputs": "ab"}, "inputs must be tensors, not str"),
        ({"inputs": iter([])}, "inputs must be tensors, not list_iterator"),
        ({"seed": "a"}, "seed must be a whole number, not str"),
        ({"seed": None}, "seed must be a whole number, not None"),
        ({"seed": 0.5}, "seed must be a whole number, not float"),
        ({"seed": 2**64}, r"seed must be below 2\*\*64"),
    ],
)
def test_an_argument_of_a_wrong_type_is_refused_in_words(
    wrong: dict[str, Any], message: str
) -> None:
    arguments = {"network": nn.Linear(3, 2), "inputs": torch.randn(2, 3), "proxies": ["snip"]}
    with pytest.raises(InputError, match=message):
        zcproxy.score(**{**arguments, "targets": torch.tensor([0, 1]), **wrong})


@pytest.mark.parametrize("seed", [-1, 2**64 - 1, np.int64(3), True])
def test_every_whole_number_is_a_seed(seed: int) -> None:
    network, inputs, targets = demanding()
    assert np.isfinite(zcproxy.score(network, inputs, targets, ["snip"], seed=seed)["snip"])


def test_an_output_that_is_no_tensor_is_refused() -> None:
    class Pair(nn.Linear):
        def forward(self, x: Tensor) -> Any:
            return super().forward(x), x

    with pytest.raises(InputError, match="gives a tuple"):
        zcproxy.score(Pair(3, 2), torch.randn(2, 3), torch.tensor([0, 1]), ["snip"])


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_what_is_not_finite_is_a_typed_failure(bad: float) -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        network[2].weight.fill_(bad)
    results = measure(network, torch.randn(4, 3), torch.tensor([0, 1, 1, 0]), EVERYTHING)
    gradients = ["snip", "plain", "grad_norm", "grasp", "fisher"]
    assert {results[name].failure for name in gradients} == {"nonfinite"}
    assert {results[name].value for name in gradients} == {None}
    assert all(r.value is None or np.isfinite(r.value) for r in results.values())


def test_a_disconnected_loss_is_a_typed_failure() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.idle = nn.Linear(2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return x.new_zeros(len(x), 3)

    results = measure(Constant(), torch.randn(3, 2), torch.arange(3), EVERYTHING)
    assert failures(results) == dict.fromkeys(KNOWN - COUNTS, "disconnected")
    assert results["live_params"].value == 0


def test_a_quantity_that_was_not_announced_is_refused() -> None:
    probe = Probe(nn.Linear(2, 3), torch.randn(3, 2), torch.arange(3), CLEAN, passes=())
    for quantity in ("fisher_information", "pattern_kernel", "hessian_weights", "multiply_adds"):
        with pytest.raises(ValueError, match="among its passes"):
            getattr(probe, quantity)


def test_a_network_without_layers_still_has_an_input_jacobian() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.matrix = nn.Parameter(torch.randn(6, 3))

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(x) @ self.matrix

    torch.manual_seed(0)
    results = measure(Own(), torch.randn(3, 6), torch.arange(3), EVERYTHING)
    assert failures(results) == not_applicable(LAYERS | BLOCKS | MAPS | CLASSES)
    assert results["jacob_cov"].value is not None


def test_one_image(case: Any) -> None:
    found = measure(case.network, case.inputs[:1], case.targets[:1], EVERYTHING)
    assert found["jacob_cov"].failure == "not_applicable"
    assert all(found[n].failure is None for n in ("snip", "synflow", "grasp", "fisher", "nwot"))


def test_batch_norm_of_one_row_is_refused_in_words() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    for name in ("snip", "grasp"):
        with pytest.raises(InputError, match="more than 1 value per channel"):
            zcproxy.score(network, torch.randn(1, 3), torch.tensor([0]), [name])


def test_hessian_products_of_both_kinds_agree_with_the_hessian(case: Any) -> None:
    probe = Probe(case.network, case.inputs, case.targets, CLEAN)
    names = list(case.weights)
    hessian = case.hessian()
    for products, directions in (
        (probe.hessian_gradients, probe.gradients),
        (probe.hessian_weights, case.weights),
    ):
        found = torch.cat([products[n].flatten() for n in names])
        expected = hessian @ torch.cat([directions[n].flatten() for n in names])
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)


def test_a_measure_error_in_one_leaves_the_others() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 2))
    tokens = torch.tensor([[0, 1], [2, 3], [4, 0], [1, 2]])
    with pytest.raises(MeasureError) as caught:
        zcproxy.score(network, tokens, torch.tensor([0, 1, 1, 0]), EVERYTHING)
    without = {"jacob_cov"} | PIECEWISE | BLOCKS | MAPS | CLASSES
    alike = dict.fromkeys(("t_cet_snip", "t_cet_synflow"), "degenerate")  # four images, two outputs
    found = failures(caught.value.failures)  # type: ignore[attr-defined]
    assert found == {**not_applicable(without), **alike}
    assert set(caught.value.scores) >= KNOWN - without - set(alike)  # type: ignore[attr-defined]


class Greedy(torch.autograd.Function):
    """Its second derivative asks for more memory than there is."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 1

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Tensor:
        found: Tensor = TooMuch.apply(gy)
        return found


class TooMuch(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 1

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


def test_a_shortage_of_memory_is_no_property_of_the_network() -> None:
    class Network(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = Greedy.apply(super().forward(x))
            return found

    network, x, y = Network(3, 3), torch.randn(2, 3), torch.tensor([0, 1])
    assert measure(network, x, y, ["snip"])["snip"].value is not None
    with pytest.raises(InputError, match="twice: OutOfMemoryError: CUDA out of memory"):
        measure(network, x, y, ["snip", "grasp"])
