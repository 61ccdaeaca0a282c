"""The public API is exactly this list, whatever was imported before."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

import zcproxy

PUBLIC = ["ZcproxyError", "__version__", "prune", "saliency", "score", "space", "table"]


def test_the_public_names() -> None:
    assert zcproxy.__all__ == PUBLIC
    assert dir(zcproxy) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there(name: str) -> None:
    for module in (
        "zcproxy.scoring",
        "zcproxy.saliencies",
        "zcproxy.proxies.snip",
        "zcproxy.tables",
    ):
        importlib.import_module(module)  # a submodule must not hide a function of its name
    value = getattr(zcproxy, name)
    assert not inspect.ismodule(value)
    if name != "__version__":
        assert callable(value)
        assert value.__doc__


def test_no_public_name_is_also_a_module() -> None:
    package = Path(zcproxy.__file__).parent
    modules = {path.stem for path in package.glob("*.py")}
    modules |= {path.name for path in package.iterdir() if path.is_dir()}
    assert not modules & set(PUBLIC)


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'prunes'"):
        _ = zcproxy.prunes


def test_the_version_is_one() -> None:
    assert zcproxy.__version__.count(".") == 2
