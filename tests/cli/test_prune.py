"""`zcproxy prune` and its `compare` and `audit`, as a user runs them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from zcproxy import datasets, pruning
from zcproxy.cli.prune import prune_app
from zcproxy.errors import DataError, InputError, InterruptedRun, StoreError
from zcproxy.experiments.work import drawn, train_item
from zcproxy.models.reference import build

NETS = """
from torch import nn

def mine():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
"""
QUICK = ["--data", "digits", "--epochs", "1", "--batch", "100", "--seeds", "2"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_nets_to_prune.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("own_nets_to_prune", None)
    return tmp_path


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train in this process; to start another takes longer than the trainings."""

    class Here:
        def __init__(self, setup: object, workers: int, score: object) -> None:
            self.setup = setup

        def results(self, items: list) -> object:
            for item in items:
                yield item, train_item(item, self.setup)

    monkeypatch.setattr("zcproxy.experiments.running.Pool", Here)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(prune_app, list(arguments))


def test_a_ticket_of_ones_own_model(place: Path) -> None:
    arguments = ["--model", "own_nets_to_prune:mine", "--method", "snip", "--density", "0.25"]
    result = run(*arguments, "--data", "digits", "--seed", "4", "--out", "t.safetensors")
    assert result.exit_code == 0, result.output
    assert "1.weight" in result.stdout
    assert "296 of 1,184 kept" in result.stdout
    assert "does not make the network faster" in result.stdout
    assert "ticket: t.safetensors" in result.stdout
    network = build("own_nets_to_prune:mine", 10, (1, 8, 8), 4)
    mask = pruning.Mask.load("t.safetensors", network, same_weights=True)
    batch = drawn(datasets.load("digits"), 128, 4)
    assert mask == pruning.prune(network, *batch, "snip", density=0.25, seed=4)
    assert mask.recipe["model"] == "own_nets_to_prune:mine"
    assert mask.recipe["model_seed"] == 4


def test_json_and_the_warning_of_collapse() -> None:
    arguments = ["--model", "lenet300@12", "--data", "digits", "--method", "random"]
    result = run(*arguments, "--sparsity", "0.999", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["kept"] == 1
    assert told["total"] == 856
    assert len(told["collapsed"]) == 2
    assert told["disconnected"]
    assert told["out"] is None
    for name in told["collapsed"]:
        assert f"warning: layer collapse: {name} has lost all its weights" in result.stderr
    assert "no path leads from input to output" in result.stderr


def test_protect_floor_and_artificial_data() -> None:
    result = run("--model", "conv2@4", "--data", "noise", "--density", "0.1", "--protect", "conv1",
                 "--protect", "fc3", "--method", "magnitude", "--floor", "3", "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    layers = {layer["name"]: layer for layer in json.loads(result.stdout)["layers"]}
    for name in ("conv1.weight", "fc3.weight"):
        assert layers[name]["kept"] == layers[name]["total"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--density", "0.1"], "name a model"),
        (["--model", "vgg11@2", "--data", "ones"], "density"),
        (
            ["--model", "mine", "--density", "0.1", "--data", "ones"],
            "a model of your own is package.module:factory",
        ),
        (["--model", "mine.py:net", "--density", "0.1", "--data", "ones"], "without .py: mine:net"),
        (["--model", "vgg11@2", "--density", "0.1", "--out", "t.pt"], "is a .safetensors file"),
        (["--model", "vgg11@2", "--density", "0.1", "--out", "no/t.safetensors"], "no folder no"),
        (["--model", "vgg11@2", "--density", "0.1", "--data", "ones", "--method", "snipp"], "snip"),
    ],
)
def test_wrong_use(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def test_a_forecast_per_method() -> None:
    arguments = ["forecast", "--model", "lenet300@12", "--data", "digits", "--step", "0.5"]
    result = run(*arguments, "--methods", "random,magnitude", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    network = build("lenet300@12", 10, (1, 8, 8), 0)
    for method in ("random", "magnitude"):
        found = pruning.critical_density(network, None, method=method, step=0.5)
        assert found is not None
        assert told[method]["density"] == found.density
        assert told[method]["layers"] == list(found.layers)
    text = run(*arguments, "--methods", "synflow", "--rounds", "2", "--start", "2").stdout
    assert text.startswith("synflow: 10^2")
    wrong = run(*arguments, "--methods", "snipp")
    assert isinstance(wrong.exception, InputError)


def test_compare_resumes_and_reports(place: Path) -> None:
    arguments = ["compare", "--model", "lenet300@12", *QUICK, "--out", "c", "--densities", "0.2"]
    result = run(*arguments, "--methods", "random,snip")
    assert result.exit_code == 0, result.output
    assert "0/6 trainings" in result.stderr
    assert "6/6 trainings" in result.stderr
    assert "written: c/README.md" in result.stdout
    kept = (place / "c" / "trainings.jsonl").read_text()
    again = run(*arguments, "--methods", "random,snip,magnitude", "--json")
    assert "6/8 trainings" in again.stderr
    assert (place / "c" / "trainings.jsonl").read_text().startswith(kept)
    told = json.loads(again.stdout)
    methods = [row["method"] for row in told["summary"]]
    assert methods == ["dense", "random", "snip", "magnitude"]
    assert all(row["seeds"] == 2 for row in told["summary"])
    other = run(*arguments, "--learning-rate", "0.3")
    assert isinstance(other.exception, StoreError)


def test_failed_trainings_exit_with_1() -> None:
    arguments = ["compare", "--model", "lenet300@12", *QUICK, "--methods", "snip", "--out", "c"]
    result = run(*arguments, "--batch", "5000")
    assert result.exit_code == 1
    failures = [line for line in result.stderr.splitlines() if line.startswith("failed")]
    assert len(failures) == 1
    assert failures[0].startswith("failed: dense mask 1 and 13 more: refused: 1000 training images")
    again = run(*arguments)  # nothing was trained under the other description
    assert again.exit_code == 0, again.output


def test_a_model_that_cannot_be_built_is_wrong_use() -> None:
    result = run("compare", "--model", "lenet300@0", *QUICK, "--methods", "snip", "--out", "c")
    assert isinstance(result.exception, InputError)
    assert "a width is a positive whole number" in str(result.exception)


def test_an_interrupted_compare_says_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zcproxy.experiments.running.run", interrupted)
    result = run("compare", "--model", "lenet300@12", *QUICK, "--out", "c")
    assert isinstance(result.exception, InterruptedRun)
    assert "the same command goes on from there" in str(result.exception)


def test_audit_of_a_method_and_of_a_ticket() -> None:
    common = ["--model", "lenet300@12", "--data", "digits"]
    rest = [*QUICK[2:], "--controls", "shuffled,reinitialized"]
    result = run("audit", *common, *rest, "--method", "snip", "--densities", "0.2", "--out", "a")
    assert result.exit_code == 0, result.output
    assert "20 %, shuffled: " in result.stdout
    assert Path("a/verdicts.csv").exists()
    run(*common, "--method", "snip", "--density", "0.2", "--seed", "3", "--out", "t.safetensors")
    ticket = ["--ticket", "t.safetensors", "--out", "b"]
    result = run("audit", *common, *rest, *ticket, "--model-seed", "3", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [row["control"] for row in told["summary"]] == [
        "mask",
        "mask",
        "shuffled",
        "reinitialized",
    ]
    assert len(told["verdicts"]) == 2
    wrong = run("audit", *common, *rest, "--ticket", "t.safetensors", "--out", "d")
    assert isinstance(wrong.exception, DataError)
    assert "not those the ticket was made for; they were drawn from seed 3" in str(wrong.exception)
    run(*common, "--method", "random", "--density", "0.2", "--seed", "3", "--out", "t.safetensors")
    other = run("audit", *common, *rest, *ticket, "--model-seed", "3")
    assert isinstance(other.exception, StoreError), "another mask under the same name"
    assert "ticket_sha256" in str(other.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "either --method NAME or --ticket FILE"),
        (["--method", "snip", "--ticket", "t"], "either --method NAME or --ticket FILE"),
        (["--method", "snip", "--densities", "a"], "takes numbers separated by commas"),
        (["--method", "snip", "--densities", "3"], r"not [3.0]"),
        (["--method", "snip", "--controls", "erc"], "no control named 'erc'"),
        (["--ticket", "t", "--densities", "0.1"], "a ticket has its own density"),
    ],
)
def test_wrong_audits(arguments: list[str], message: str) -> None:
    result = run("audit", "--model", "lenet300@12", *QUICK, "--out", "a", *arguments)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def test_a_missing_ticket() -> None:
    result = run("audit", "--model", "lenet300@12", *QUICK, "--out", "a", "--ticket", "t")
    assert isinstance(result.exception, DataError)


def test_nothing_is_drawn_from_the_global_state() -> None:
    state = torch.get_rng_state()
    run("--model", "lenet300@12", "--data", "digits", "--density", "0.5", "--method", "snip")
    assert torch.equal(torch.get_rng_state(), state)
