"""Measures are found by the files they live in, without importing them or torch."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["load", "names", "summary", "uses_batch"]


def names(path: Iterable[str]) -> tuple[str, ...]:
    """Names of the measures in a package's folder, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(path)))


@cache
def summary(package: str, name: str) -> str:
    """First sentence of a measure's docstring, read without running the file."""
    for node in _statements(package, name):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ")
    raise ValueError(f"{name}.py of {package} must define a function named {name}")


@cache
def uses_batch(package: str, name: str) -> bool:
    """Whether another batch of the same shape may change a measure, read without running the file.

    It may, unless the file says `USES_BATCH = False`, with or without a type.

    Raises: ValueError where the file says anything else than True or False.
    """
    uses = True
    for node in _statements(package, name):
        if "USES_BATCH" in _assigned(node):
            said = getattr(node, "value", None)
            if not (isinstance(said, ast.Constant) and isinstance(said.value, bool)):
                raise ValueError(f"{name}.py of {package}: USES_BATCH must be True or False")
            uses = said.value
    return uses


def _assigned(node: ast.stmt) -> list[str]:
    """The names that a statement gives a value: `A = 1` and `A: int = 1`."""
    targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _statements(package: str, name: str) -> list[ast.stmt]:
    """What stands in a measure's file."""
    spec = importlib.util.find_spec(f"{package}.{name}")
    if spec is None or spec.origin is None:
        raise ValueError(f"{package} has no file {name}.py")
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body


def load(package: str, name: str) -> tuple[Callable[..., Any], frozenset[str]]:
    """A measure's function, and what its file says in `PASSES` that a probe must record."""
    module = importlib.import_module(f"{package}.{name}")
    return getattr(module, name), frozenset(getattr(module, "PASSES", ()))
