"""Measures are the files of their folders: names, first sentences, functions."""

from __future__ import annotations

import inspect
import zlib
from pathlib import Path

import pytest

import zcproxy
from zcproxy import catalogue, proxies, saliencies
from zcproxy.probe import PASSES

PACKAGE = Path(zcproxy.__file__).parent
PROXIES = [
    "az_expressivity",
    "az_progressivity",
    "az_trainability",
    "depth",
    "epe_nas",
    "fisher",
    "flops",
    "grad_norm",
    "grad_sign",
    "grasp",
    "jacob_cov",
    "l2_norm",
    "linear_regions",
    "live_convs",
    "live_params",
    "logsynflow",
    "meco",
    "meco_opt",
    "ntk_condition",
    "nwot",
    "params",
    "plain",
    "reg_swap",
    "snip",
    "snr_snip",
    "snr_synflow",
    "swap",
    "synflow",
    "synflow_bn",
    "t_cet_snip",
    "t_cet_synflow",
    "vkdnw",
    "zen",
    "zico",
]


def test_the_proxies() -> None:
    assert set(proxies.names()) >= set(PROXIES)
    assert proxies.names() == sorted(proxies.names())
    assert proxies.COUNTS == ("params", "flops", "live_params", "live_convs", "depth")
    proxies.names().clear()
    assert "zico" in proxies.names()


def test_the_saliencies() -> None:
    names = ("fisher", "grasp", "magnitude", "plain", "random", "snip", "synflow")
    assert names == saliencies.NAMES


@pytest.mark.parametrize("folder", ["proxies", "saliencies"])
def test_one_file_per_measure(folder: str) -> None:
    files = {path.stem for path in (PACKAGE / folder).glob("*.py")} - {"__init__"}
    names = proxies.names() if folder == "proxies" else list(saliencies.NAMES)
    assert sorted(files) == names
    for name in names:
        function, passes = catalogue.load(f"zcproxy.{folder}", name)
        assert function.__name__ == name
        assert list(inspect.signature(function).parameters) == ["probe"]
        assert passes <= PASSES
        assert "Source:" in (inspect.getdoc(function) or "") or name in proxies.COUNTS


@pytest.mark.parametrize("name", PROXIES)
def test_a_summary_is_the_first_paragraph_of_the_docstring(name: str) -> None:
    summary = proxies.summary(name)
    function, _ = catalogue.load("zcproxy.proxies", name)
    assert summary == " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split("\n"))
    assert summary.endswith(".")
    assert "\n" not in summary


def test_a_name_without_a_file_is_an_error() -> None:
    with pytest.raises(ValueError, match="has no file"):
        catalogue.summary("zcproxy.proxies", "nothing")


def test_a_file_says_whether_the_batch_matters() -> None:
    assert not catalogue.uses_batch("zcproxy.proxies", "params")
    assert not catalogue.uses_batch("zcproxy.proxies", "zen")
    assert catalogue.uses_batch("zcproxy.proxies", "snip")
    assert set(proxies.COUNTS) < set(proxies.without_batch()) < set(proxies.names())
    assert proxies.without_batch() == sorted(proxies.without_batch())
    with pytest.raises(ValueError, match="has no file"):
        catalogue.uses_batch("zcproxy.proxies", "nothing")


@pytest.mark.parametrize(
    ("line", "uses"),
    [
        ("", True),
        ("USES_BATCH = False", False),
        ("USES_BATCH = True", True),
        ("USES_BATCH: bool = False", False),
        ("USES_BATCH: Final[bool] = True", True),
        ("OTHER: bool = False", True),
    ],
)
def test_the_batch_line_may_have_a_type(
    line: str, uses: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = written(tmp_path, line)
    monkeypatch.syspath_prepend(tmp_path)
    assert catalogue.uses_batch(package, "own") is uses


@pytest.mark.parametrize("line", ["USES_BATCH = not True", "USES_BATCH: bool", "USES_BATCH = 0"])
def test_a_batch_line_that_says_neither_is_an_error(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = written(tmp_path, line)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="USES_BATCH must be True or False"):
        catalogue.uses_batch(package, "own")


def written(folder: Path, line: str) -> str:
    """A package with a measure of its own, whose name no other test has imported."""
    package = f"measures_{zlib.crc32(line.encode())}"
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text("")
    (folder / package / "own.py").write_text(f"{line}\n\ndef own(probe):\n    '''Mine.'''\n")
    return package


def test_a_new_file_is_a_new_measure(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def own(probe):\n    '''Mine.'''\n")
    (tmp_path / "__init__.py").write_text("")
    assert catalogue.names([str(tmp_path)]) == ("own",)
