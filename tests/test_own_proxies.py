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
from zcproxy import catalogue, cli, proxies, runs
from zcproxy.errors import InputError, MeasureError
from zcproxy.runs.contract import crashed
from zcproxy.runs.items import Item
from zcproxy.scoring import measure

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
    pairs = [(one[name], other[name]) for name in one]
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("    probe.network(*probe.inputs[0])\n", "1.num_batches_tracked"),
        ("    with torch.no_grad():\n        probe.network[3].weight.zero_()\n", "3.weight"),
        ("    probe.network[0].train(False)\n", "the mode"),
        ("    probe.network[1].reset_running_stats()\n    raise KeyError\n", "1.running_mean"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_proxy_that_changes_the_network_fails_and_harms_no_other(
    add: Add, body: str, what: str, first: bool
) -> None:
    add("own", f"import torch\n\ndef own(probe):\n    '''Mine.'''\n{body}    return 1.0\n")
    model, inputs, targets = network(), torch.randn(8, 4), torch.arange(8) % 3
    expected = measure(model, inputs, targets, OTHERS)
    before = state(model)
    names = ["own", *OTHERS] if first else [*OTHERS[:2], "own", *OTHERS[2:]]
    found = measure(model, inputs, targets, names)
    assert found["own"].failure == "error"
    assert f"changed {what} of the network" in str(found["own"].message)
    assert {n: found[n].value for n in OTHERS} == {n: expected[n].value for n in OTHERS}
    assert same(before, state(model))


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
        (f"PASSES = 'again'\n\n{MINE}", r"must be a tuple, such as \(\"again\",\)"),
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


def test_a_combination_is_no_proxy() -> None:
    with pytest.raises(InputError, match="blind is a combination, which zcproxy correlate"):
        measure(network(), torch.randn(8, 4), torch.arange(8) % 3, ["blind"])


def test_a_crash_tells_of_memory_only_where_it_may_be() -> None:
    item = Item("net", "|arch|", ("snip", "own"), 1.0)
    killed, left = (
        crashed(item, cause)[0].message for cause in ("signal SIGKILL", "exit status 3")
    )
    assert "signal SIGKILL; short of memory?" in str(killed)
    assert "(exit status 3)" in str(left) and "memory" not in str(left)
    assert "while 2 proxies were asked for; --retry with fewer tells of which" in str(left)
