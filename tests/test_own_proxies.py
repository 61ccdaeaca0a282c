"""Proxies of a user that are faulty: each fails alone, clearly, and the network stays as it was."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import zcproxy
from zcproxy import catalogue, cli, proxies, runs, spaces
from zcproxy.errors import InputError, MeasureError
from zcproxy.networks.stacked import StackedNetwork
from zcproxy.runs.contract import crashed
from zcproxy.runs.items import Item
from zcproxy.scoring import measure, measure_stacked
from zcproxy.undisturbed import Kept

Add = Callable[[str, str], None]
OTHERS = ["snip", "synflow", "nwot", "t_cet_snip"]


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Add]:
    """Puts a file among the proxies."""
    monkeypatch.setattr(proxies, "__path__", [*proxies.__path__, str(tmp_path)])
    added = []

    def put(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        added.append(name)
        importlib.invalidate_caches()
        catalogue.summary.cache_clear()
        catalogue.uses_batch.cache_clear()

    yield put
    for name in added:
        sys.modules.pop(f"zcproxy.proxies.{name}", None)
        vars(proxies).pop(name, None)
    catalogue.summary.cache_clear()
    catalogue.uses_batch.cache_clear()


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))


def state(model: nn.Module) -> dict[str, Any]:
    values = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return values | {f"mode of {n}": m.training for n, m in model.named_modules()}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    pairs = [(one[name], value) for name, value in other.items()]
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


NO_GRAD = "    with torch.no_grad():\n        "
CHANGES = [
    ("    probe.network(*probe.inputs[0])\n", "1.num_batches_tracked"),
    (NO_GRAD + "probe.network[3].weight.zero_()\n", "3.weight"),
    (NO_GRAD + "probe.inputs[0][0].zero_()\n", "input or target 0"),
    ("    probe.network[0].train(False)\n", "the mode of 0"),
    ("    probe.network[1].reset_running_stats()\n    raise KeyError('k')\n", "1.running_mean"),
    ("    probe.network(*probe.inputs[0]).sum().backward()\n", "the gradient of 0.weight"),
    ("    probe.network[0].weight.requires_grad_(False)\n", "requires_grad of 0.weight"),
    ("    probe.network[2].register_forward_hook(lambda *_: 0)\n", "forward hooks of 2"),
    ("    probe.network[2] = torch.nn.Identity()\n", "modules of the whole"),
    ("    probe.network[0].weight = torch.nn.Parameter(torch.ones(6, 4))\n", "parameters of 0"),
    ("    probe.network.append(torch.nn.ReLU())\n", "modules of the whole"),
]


@pytest.mark.parametrize(("body", "what"), CHANGES)
@pytest.mark.parametrize("first", [True, False])
def test_a_proxy_that_changes_the_network_fails_and_harms_no_other(
    add: Add, body: str, what: str, first: bool
) -> None:
    add("own", f"import torch\n\ndef own(probe):\n    '''Mine.'''\n{body}    return 1.0\n")
    model, inputs, targets = network(), torch.randn(8, 4), torch.arange(8) % 3
    expected = measure(model, inputs, targets, OTHERS)
    before = state(model) | {"inputs": inputs.clone()}
    names = ["own", *OTHERS] if first else [*OTHERS[:2], "own", *OTHERS[2:]]
    found = measure(model, inputs, targets, names)
    assert found["own"].failure == "error"
    assert f"changed {what}; Probe.again" in str(found["own"].message)
    assert ("(and failed: KeyError: 'k')" in str(found["own"].message)) == ("KeyError" in body)
    assert {n: found[n].value for n in OTHERS} == {n: expected[n].value for n in OTHERS}
    assert same(before, state(model)) and torch.equal(inputs, before["inputs"])
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert isinstance(model[2], nn.ReLU) and not model[2]._forward_hooks and len(model) == 4


@pytest.mark.parametrize("error", ["InputError('x')", "MemoryError", "KeyboardInterrupt"])
def test_the_network_is_put_back_where_an_error_ends_all(add: Add, error: str) -> None:
    body = f"{NO_GRAD}probe.network[3].weight.zero_()\n    raise {error}\n"
    head = "import torch\nfrom zcproxy.errors import InputError\n\n"
    add("own", f"{head}def own(probe):\n    '''Mine.'''\n{body}")
    model, inputs, targets = network(), torch.randn(8, 4), torch.arange(8) % 3
    before = state(model)
    with pytest.raises((InputError, MemoryError, KeyboardInterrupt)):
        measure(model, inputs, targets, ["own"])
    assert same(before, state(model))


def test_a_mode_of_autograd_stays_with_its_proxy(add: Add) -> None:
    body = "    torch.set_grad_enabled(False)\n    return 1.0\n"
    add("own", f"import torch\n\ndef own(probe):\n    '''Mine.'''\n{body}")
    found = measure(network(), torch.randn(8, 4), torch.arange(8) % 3, ["own", "snip"])
    assert found["own"].value == 1.0 and found["snip"].value is not None


class Clamped(nn.Module):
    """Writes to its own weight whenever it runs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            self.first.weight.clamp_(-0.1, 0.1)
        return torch.as_tensor(self.last(self.first(x).relu()))


def test_a_network_that_changes_itself_is_no_fault_of_a_proxy() -> None:
    model = Clamped()
    before = state(model)
    found = measure(model, torch.randn(8, 4), torch.arange(8) % 3, ["snip", "swap", "params"])
    assert all(result.failure is None for result in found.values())
    assert same(before, state(model))


def test_tensors_that_cannot_be_written_to_are_put_back_all_the_same() -> None:
    model = network()
    with torch.inference_mode():
        model.register_buffer("made", torch.ones(3))
    model.register_buffer("wide", torch.ones(1).expand(4))
    kept = Kept(model)
    assert kept.changed() == ""
    with torch.inference_mode():
        model.made.zero_()
    with torch.no_grad():
        model[0].weight.zero_()
        model.wide[:1] = 5
    assert kept.changed() == "0.weight"
    kept.put_back()
    assert model.made.tolist() == [1, 1, 1] and model.wide.tolist() == [1, 1, 1, 1]
    assert bool(model[0].weight.abs().sum() > 0) and kept.changed() == ""


def test_side_by_side_too(add: Add) -> None:
    """Where members share a stack, and where a proxy is measured on each by itself."""
    body = f"{NO_GRAD}probe.weight(probe.weights[0].name).zero_()\n    return 1.0\n"
    add("own", f"import torch\n\ndef own(probe):\n    '''Mine.'''\n{body}")
    space = spaces.get("digits201")
    cells = [f"|none~0|+|none~0|none~1|+|nor_conv_{k}~0|none~1|none~2|" for k in ("1x1", "3x3")]
    stack = StackedNetwork([space.blueprint(cell, 10) for cell in cells], 0, "cpu", "default")
    inputs, targets = torch.randn(8, 1, 8, 8), torch.arange(8)
    right = measure_stacked(stack, inputs, targets, ["snip", "synflow"])
    found = measure_stacked(stack, inputs, targets, ["own", "snip", "synflow"])
    for one, expected in zip(found, right, strict=True):
        assert one["own"].failure == "error" and "the proxy changed" in str(one["own"].message)
        assert [one[n].value for n in expected] == [r.value for r in expected.values()]


def test_no_proxy_of_ours_counts_as_one_that_changes_the_network(case: Any) -> None:
    found = measure(case.network, case.inputs, case.targets, proxies.names())
    assert not [r.message for r in found.values() if "changed" in str(r.message)]


BROKEN = [
    ("def own(probe:\n", "SyntaxError"),
    ("", "it defines no function named own"),
    ("def other(probe):\n    '''Mine.'''\n", "it defines no function named own"),
]


@pytest.mark.parametrize(("text", "why"), BROKEN)
def test_a_file_that_is_no_proxy_is_told_in_one_line(add: Add, text: str, why: str) -> None:
    add("own", text)
    for arguments in (["list", "proxies"], ["list"]):
        result = CliRunner().invoke(cli.app, arguments)
        assert isinstance(result.exception, InputError)
        assert str(result.exception).startswith("zcproxy/proxies/own.py cannot be used: ")
        assert why in str(result.exception)
        assert str(result.exception).endswith("; mend that, or take the file away")


@pytest.mark.parametrize(("text", "why"), BROKEN)
def test_a_run_with_it_does_not_begin(add: Add, tmp_path: Path, text: str, why: str) -> None:
    add("own", text)
    setup = runs.prepare("digits201", "noise", batch_size=8)
    with pytest.raises(InputError, match=why):
        runs.run(
            setup,
            ["|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"],
            ["snip", "own"],
            tmp_path / "store.sqlite",
        )
    assert not (tmp_path / "store.sqlite").exists()


MINE = "def own(probe):\n    '''Mine.'''\n    return 1.0\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *BROKEN,
        (f"import a_module_that_is_not_there\n\n{MINE}", "ModuleNotFoundError"),
        (f"raise SystemExit(3)\n\n{MINE}", "SystemExit: 3"),
        (f"PASSES = ('pattern',)\n\n{MINE}", r"\['pattern'\] is none of .*'patterns'"),
        *(
            (f"PASSES = {p}\n\n{MINE}", "must be a tuple of names")
            for p in ("'again'", 3, None, [1])
        ),
        ("def own(probe):\n    '''Mine.'''\n    raise SystemExit(3)\n", "SystemExit: 3"),
    ],
)
def test_no_other_proxy_fails_with_it(add: Add, text: str, why: str) -> None:
    add("own", text)
    model, inputs, targets = network(), torch.randn(8, 4), torch.arange(8) % 3
    found = measure(model, inputs, targets, ["own", "snip"])
    assert found["own"].failure == "error" and found["snip"].value is not None
    with pytest.raises(MeasureError, match=why) as caught:
        zcproxy.score(model, inputs, targets, ["own", "snip"])
    assert caught.value.kind == "error"


def test_a_crash_tells_of_memory_only_where_it_may_be() -> None:
    item = Item("net", "|arch|", ("snip", "own"), 1.0)
    killed, left = (
        crashed(item, cause)[0].message for cause in ("signal SIGKILL", "exit status 3")
    )
    assert "signal SIGKILL; short of memory?" in str(killed)
    assert "(exit status 3)" in str(left) and "memory" not in str(left)
    assert "while 2 proxies were asked for; --retry with fewer tells of which" in str(left)
