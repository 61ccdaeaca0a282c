"""score, measure and saliency: names, errors, order, and values that depend on nothing else."""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import zcproxy
from zcproxy import models, proxies, scoring, spaces
from zcproxy.errors import InputError, MeasureError, ZcproxyError
from zcproxy.networks.stacked import StackedNetwork
from zcproxy.probe import Probe
from zcproxy.scoring import Result, ScoreError, measure, measure_stacked

EVERYTHING = proxies.names()


def tokens() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A network without input gradient and without ReLU."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 2))
    return network, torch.randint(0, 5, (4, 2)), torch.tensor([0, 1, 1, 0])


def test_the_default_proxies() -> None:
    network, *batch = tokens()
    assert list(zcproxy.score(network, *batch)) == ["snip", "synflow"]


def test_results_come_in_the_order_asked_for(case: Any) -> None:
    names = ["synflow", "params", "snip"]
    scores = zcproxy.score(case.network, case.inputs, case.targets, names)
    assert list(scores) == names
    assert all(type(value) is float for value in scores.values())
    again = zcproxy.score(case.network, case.inputs, case.targets, ["snip", "snip", "params"])
    assert list(again) == ["snip", "params"]


def test_no_proxies_are_no_scores(case: Any) -> None:
    assert zcproxy.score(case.network, case.inputs, case.targets, []) == {}


def test_the_same_bits_every_time(case: Any) -> None:
    first = measure(case.network, case.inputs, case.targets, EVERYTHING)
    again = measure(case.network, case.inputs, case.targets, EVERYTHING)
    assert {n: r.value for n, r in first.items()} == {n: r.value for n, r in again.items()}


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_score_hardly_depends_on_what_else_is_asked_for(case: Any, name: str) -> None:
    """GraSP needs its own kernels, whose last digits differ where batch norm scales."""
    alone = measure(case.network, case.inputs, case.targets, [name])[name]
    together = measure(case.network, case.inputs, case.targets, EVERYTHING)[name]
    assert alone.failure == together.failure
    if alone.value is not None:
        assert together.value == pytest.approx(alone.value, rel=1e-11)


def test_a_score_of_the_benchmark_does_not_depend_on_what_else_is_asked_for() -> None:
    space = spaces.get("digits201")
    network = space.network(space.architectures()[7])
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(8, 1, 8, 8, generator=generator), torch.arange(8)
    together = measure(network, *batch, EVERYTHING)
    for name in EVERYTHING:
        assert measure(network, *batch, [name])[name].value == together[name].value


def test_a_result_is_a_value_or_a_failure() -> None:
    network, *batch = tokens()
    results = measure(network, *batch, EVERYTHING)
    assert list(results) == EVERYTHING
    for result in results.values():
        assert isinstance(result, Result)
        assert (
            (result.value is None) == (result.failure is not None) == (result.message is not None)
        )
        assert result.seconds >= 0
    without_images = {"jacob_cov", "epe_nas", "meco", "meco_opt", "zen"}
    without_switches = {"nwot", "linear_regions", "swap", "reg_swap"}
    without_blocks = {"az_expressivity", "az_progressivity", "az_trainability"}
    failed = {n for n, r in results.items() if r.failure}
    assert failed >= without_images | without_switches | without_blocks
    assert failed.isdisjoint(
        {"snip", "grasp", "synflow", "params", "zico", "ntk_condition", "vkdnw"}
    )


def test_an_error_says_what_failed_and_holds_the_rest() -> None:
    network, *batch = tokens()
    with pytest.raises(ScoreError) as caught:
        zcproxy.score(network, *batch, ["snip", "jacob_cov", "params", "nwot"])
    error = caught.value
    assert isinstance(error, MeasureError)
    assert isinstance(error, ZcproxyError)
    assert list(error.failures) == ["jacob_cov", "nwot"]
    assert error.kind == "not_applicable"
    assert error.scores == zcproxy.score(network, *batch, ["snip", "params"])
    assert "jacob_cov: the inputs are integers" in str(error)
    assert "nwot: the network has no ReLU" in str(error)


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"proxies": ["snipp"]}, r"no proxy named 'snipp'; did you mean 'snip'\? .*all [0-9]+"),
        ({"proxies": ["snip", "zzzz"]}, "no proxy named 'zzzz'; known: .*fisher, flops"),
        ({"proxies": "snip"}, r"a list of names, such as \['snip'\], not a string"),
        ({"proxies": None}, r"a list of names, such as \['snip', 'synflow'\], not None"),
        ({"proxies": 3}, "a list of names, .*, not int"),
        ({"proxies": [3]}, "a proxy is named by a string, such as '.*', not int"),
        ({"proxies": [["snip"]]}, "a proxy is named by a string, such as '.*', not list"),
        ({"protocol": "claen"}, "no protocol named 'claen'; did you mean 'clean'"),
        ({"protocol": None}, r"a protocol is named by a string, such as 'clean', not None \("),
        ({"protocol": ["clean"]}, "a protocol is named by a string, .*, not list"),
    ],
)
def test_wrong_names_are_answered_before_anything_is_computed(
    wrong: dict[str, Any], advice: str
) -> None:
    calls: list[int] = []
    network = nn.Linear(2, 2)
    network.register_forward_hook(lambda *_: calls.append(1))
    with pytest.raises(InputError, match=advice):
        zcproxy.score(network, torch.randn(2, 2), torch.tensor([0, 1]), **wrong)
    assert not calls


def test_a_wrong_saliency_is_answered() -> None:
    with pytest.raises(InputError, match="no saliency named 'grad_norm'; "):
        zcproxy.saliency(nn.Linear(2, 2), torch.randn(2, 2), torch.tensor([0, 1]), "grad_norm")
    for wrong in (None, ["snip"], 3):
        with pytest.raises(InputError, match="a saliency is named by a string, such as 'fisher'"):
            zcproxy.saliency(nn.Linear(2, 2), torch.randn(2, 2), torch.tensor([0, 1]), wrong)
    with pytest.raises(InputError, match="did you mean 'synflow'"):
        zcproxy.saliency(nn.Linear(2, 2), torch.randn(2, 2), torch.tensor([0, 1]), "sinflow")


@pytest.mark.parametrize("name", ["fisher", "grasp", "plain", "snip", "synflow"])
def test_a_saliency_has_the_shapes_of_its_weights(case: Any, name: str) -> None:
    found = zcproxy.saliency(case.network, case.inputs, case.targets, name)
    assert {n: s.shape for n, s in found.items()} == {n: w.shape for n, w in case.weights.items()}
    assert not any(s.requires_grad for s in found.values())
    assert all(bool(s.isfinite().all()) for s in found.values())


def test_the_seed_of_a_saliency_is_that_of_the_networks_randomness() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Dropout(0.5), nn.Linear(9, 3))
    batch = torch.randn(4, 6), torch.arange(4) % 3
    for seed in (0, 1, 2):
        weights = zcproxy.saliency(network, *batch, "snip", seed=seed)
        total = math.fsum(float(s.sum()) for s in weights.values())
        assert total == pytest.approx(zcproxy.score(network, *batch, ["snip"], seed=seed)["snip"])
    one, other = (zcproxy.saliency(network, *batch, "snip", seed=s)["3.weight"] for s in (1, 2))
    assert not torch.equal(one, other)


def test_saliencies_and_proxies_agree(case: Any) -> None:
    signs = {"fisher": 1, "grasp": -1, "plain": 1, "snip": 1, "synflow": 1}
    scores = zcproxy.score(case.network, case.inputs, case.targets, list(signs))
    for name, sign in signs.items():
        weights = zcproxy.saliency(case.network, case.inputs, case.targets, name)
        total = math.fsum(float(s.sum()) for s in weights.values())
        assert sign * total == pytest.approx(scores[name], rel=1e-9)


def test_a_loss_of_ones_own(case: Any) -> None:
    double = zcproxy.score(
        case.network,
        case.inputs,
        case.targets,
        ["snip"],
        loss=lambda output, targets: 2 * nn.functional.cross_entropy(output, targets),
    )
    single = zcproxy.score(case.network, case.inputs, case.targets, ["snip"])
    assert double["snip"] == pytest.approx(2 * single["snip"], rel=1e-12)


def test_a_disconnected_architecture_fails_in_the_measures_of_its_input() -> None:
    space = spaces.get("digits201")
    nothing = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    batch = torch.randn(4, 1, 8, 8), torch.arange(4)
    results = measure(space.network(nothing), *batch, EVERYTHING)
    assert results["jacob_cov"].failure == "disconnected"
    assert results["nwot"].failure == "disconnected"
    assert results["live_params"].value == 0
    assert results["synflow"].value == 0


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Proxies of a user's, by name, as if their files were there."""
    functions: dict[str, Any] = {}
    known = scoring._proxy

    def found(name: Any) -> Any:
        return (functions[name], frozenset()) if name in functions else known(name)

    monkeypatch.setattr(scoring, "_proxy", found)
    return functions


def test_an_exception_of_a_proxy_is_its_own_failure(case: Any, own: dict[str, Any]) -> None:
    batch = case.network, case.inputs, case.targets
    own["broken"] = lambda probe: 1 / 0
    own["forgot"] = lambda probe: float(probe.pattern_kernel[0].sum())  # without PASSES
    results = measure(*batch, ["snip", "broken", "forgot", "plain"])
    assert results["snip"].value == measure(*batch, ["snip"])["snip"].value
    assert results["plain"].value is not None
    assert (results["broken"].value, results["broken"].failure) == (None, "error")
    assert results["broken"].message == "ZeroDivisionError: division by zero"
    assert results["forgot"].failure == "error"
    assert "among its passes" in str(results["forgot"].message)
    with pytest.raises(ScoreError, match="broken: ZeroDivisionError: division by zero") as caught:
        zcproxy.score(*batch, ["broken", "snip"])
    assert caught.value.kind == "error"
    assert list(caught.value.scores) == ["snip"]


@pytest.mark.parametrize(
    "error",
    [
        InputError("the network cannot be computed"),
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate"),
        KeyboardInterrupt(),
    ],
)
def test_what_is_not_of_the_proxy_is_raised(own: dict[str, Any], error: BaseException) -> None:
    def fail(probe: Any) -> float:
        raise error

    own["fails"] = fail
    with pytest.raises(type(error)) as caught:
        measure(*tokens(), ["snip", "fails"])
    assert caught.value is error


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (3, 3.0),
        (True, 1.0),
        (np.float32(0.5), 0.5),
        (np.array([[2.0]]), 2.0),
        (torch.tensor(1.5, requires_grad=True), 1.5),
        (torch.tensor([2]), 2.0),
    ],
)
def test_a_number_of_any_kind_is_a_float(own: dict[str, Any], given: Any, expected: float) -> None:
    own["some"] = lambda probe: given
    found = zcproxy.score(*tokens(), ["some"])["some"]
    assert type(found) is float and found == expected


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "None"),
        ("3", "str"),
        ([1.0], "list"),
        (1j, "complex"),
        pytest.param(10**400, "int", id="huge"),
        (torch.ones(2, 3), r"Tensor of shape \(2, 3\)"),
        (np.ones(0), r"ndarray of shape \(0,\)"),
        (np.array("x"), r"ndarray of shape \(\)"),
    ],
)
def test_what_is_no_number_is_refused_with_what_it_was(
    own: dict[str, Any], given: Any, told: str
) -> None:
    own["some"] = lambda probe: given
    with pytest.raises(ScoreError, match=f"some: a proxy must return a float, not {told}$") as e:
        zcproxy.score(*tokens(), ["snip", "some"])
    assert (e.value.kind, list(e.value.scores)) == ("error", ["snip"])


def test_a_value_of_nan_is_a_failure_as_before(own: dict[str, Any]) -> None:
    own["some"] = lambda probe: torch.tensor(math.nan)
    found = measure(*tokens(), ["some"])["some"]
    assert (found.value, found.failure, found.message) == (None, "nonfinite", "the value is nan")


def test_no_graph_is_kept_by_a_value_or_a_failure(case: Any, own: dict[str, Any]) -> None:
    kept: list[Any] = []

    def tensor(probe: Any) -> Any:
        kept.append(weakref.ref(probe))
        return probe.loss

    def broken(probe: Any) -> Any:
        raise ValueError(probe.loss)

    own |= {"tensor": tensor, "broken": broken}
    results = measure(case.network, case.inputs, case.targets, ["tensor", "broken"])
    assert type(results["tensor"].value) is float
    assert results["broken"].failure == "error"
    assert kept[0]() is None


def test_a_proxy_that_only_a_stack_breaks_is_measured_on_the_members(own: dict[str, Any]) -> None:
    space = spaces.get("digits201")
    blueprints = [space.blueprint(space.architectures()[i], 10) for i in (7, 15624)]
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(4, 1, 8, 8, generator=generator), torch.arange(4)

    def alone(probe: Any) -> float:
        assert type(probe) is Probe
        return float(probe.batch_size)

    own["alone"] = alone
    results = measure_stacked(StackedNetwork(blueprints), *batch, ["snip", "alone"])
    assert [found["alone"].value for found in results] == [4.0, 4.0]
    assert all(list(found) == ["snip", "alone"] for found in results)
    own["alone"] = lambda probe: 1 / 0
    results = measure_stacked(StackedNetwork(blueprints), *batch, ["snip", "alone"])
    assert [found["alone"].failure for found in results] == ["error"] * 2
    assert all(found["snip"].value is not None for found in results)


SMALL = ("lenet300", "lenet5", "conv2@4", "vgg11@4", "resnet18@4", "resnet20@4")
CELLS = (0, 7, 10, 5000, 15624)


def standard(name: str | int) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A cell network by its number, or a small model of the literature, with a batch."""
    if name == "tokens":
        return tokens()
    if isinstance(name, int):
        space = spaces.get("digits201")
        network, shape = space.network(space.architectures()[name]), (4, 1, 8, 8)
    else:
        channels, image = (1, 28) if name.startswith("lenet") else (3, 32)
        network = models.get(name)(10, channels, image)
        shape = (4, channels, image, image)
    generator = torch.Generator().manual_seed(0)
    return network, torch.randn(shape, generator=generator), torch.arange(4)


@pytest.mark.parametrize("name", [*CELLS, *SMALL, "tokens"])
def test_no_proxy_of_ours_meets_an_unexpected_error(name: str | int) -> None:
    """What a proxy does not foresee would be a failure of its own, which nobody had to look at."""
    results = measure(*standard(name), EVERYTHING)
    assert {n: r.message for n, r in results.items() if r.failure == "error"} == {}


def test_cells_among_them_are_connected_and_not() -> None:
    space = spaces.get("digits201")
    connected = [space.blueprint(space.architectures()[i]).connected for i in CELLS]
    assert set(connected) == {True, False}
