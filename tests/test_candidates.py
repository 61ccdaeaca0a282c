import sys

import pytest
import torch
from torch import nn

from zcproxy.candidates import load_models, score_models
from zcproxy.datasets import batch
from zcproxy.errors import InputError
from zcproxy.scoring import score

FACTORIES = """
import torch
from torch import nn

def good():
    return {"narrow": nn.Linear(4, 2), "wide": nn.Linear(4, 8)}

def pairs():
    yield "a", nn.Linear(1, 1)
    yield "b", nn.Linear(1, 1)

def twice():
    return [("a", nn.Linear(1, 1)), ("a", nn.Linear(1, 1))]

def empty():
    return {}

def number():
    return 3

def wrong():
    return {"a": 3}

def broken():
    raise RuntimeError("no weights\\nsecond line")

one = nn.Linear(2, 2)
"""


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A module `candidate_zoo` in the current folder."""
    (tmp_path / "candidate_zoo.py").write_text(FACTORIES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "candidate_zoo"
    sys.modules.pop("candidate_zoo", None)


def test_factories_may_give_a_dict_pairs_or_a_module(zoo):
    assert [*load_models(f"{zoo}:good")] == ["narrow", "wide"]
    assert [*load_models(f"{zoo}:pairs")] == ["a", "b"]
    assert [*load_models(f"{zoo}:one")] == ["model"]


def test_the_weights_are_seeded_and_the_global_state_is_kept(zoo):
    state = torch.get_rng_state()
    one, two, other = (load_models(f"{zoo}:pairs", seed)["b"].weight for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("candidate_zoo", "not of the form"),
        ("candidate_zoo:", "not of the form"),
        ("no_such_zoo:good", "cannot import no_such_zoo:good: ModuleNotFoundError"),
        ("candidate_zoo:nothing", "has no attribute 'nothing'"),
        ("candidate_zoo:twice", "two models are named 'a'"),
        ("candidate_zoo:empty", "gives no model"),
        ("candidate_zoo:number", "got int"),
        ("candidate_zoo:wrong", "expected a dict"),
        ("candidate_zoo:broken", "failed: RuntimeError: no weights$"),
    ],
)
def test_bad_factories_are_one_line(zoo, reference, message):
    with pytest.raises(InputError, match=message) as caught:
        load_models(reference)
    assert "\n" not in str(caught.value)


class Broken(nn.Linear):
    """A module that fails where nobody expects it, outside its own forward."""

    def named_parameters(self, *args, **kwargs):
        raise ZeroDivisionError("no parameters today")


def test_models_are_scored_and_failures_are_rows():
    images = batch("noise", 4)
    torch.manual_seed(0)
    models = {
        "cnn": nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3600, 10)),
        "misfit": nn.Linear(7, 10),
        "broken": Broken(7, 10),
    }
    seen = []
    frame = score_models(models, images, ["snip", "params"], progress=lambda *x: seen.append(x))
    assert frame["architecture"].tolist() == ["cnn", "misfit", "broken"]
    expected = score(models["cnn"], images.inputs, images.targets, ["snip", "params"])
    assert frame.loc[0, ["snip", "params"]].to_dict() == expected
    assert frame["snip"].isna().tolist() == [False, True, True]
    assert frame["snip_failure"][1].startswith("error: ")
    assert frame["snip_failure"][2] == "error: ZeroDivisionError: no parameters today"
    assert frame["params_failure"].notna().tolist() == [False, True, True]
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_model_is_initialized_again_only_where_the_protocol_says_so() -> None:
    from zcproxy.candidates import initialized
    from zcproxy.networks.initialization import kaiming

    def made() -> torch.nn.Module:
        torch.manual_seed(0)
        return torch.nn.Linear(4, 3)

    model, again = made(), made()
    for protocol in ("clean", "abdelfattah2021", "nas_bench_suite_zero"):
        initialized(model, protocol, 5)
        assert torch.equal(model.weight, made().weight)
    kaiming(again, 5)
    for protocol in ("aznas", "tanaka2020"):
        model = made()
        initialized(model, protocol, 5)
        assert torch.equal(model.weight, again.weight)
        assert not torch.equal(model.weight, made().weight)
        assert model.bias.tolist() == [0.0] * 3
