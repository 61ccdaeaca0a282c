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

from zcproxy.errors import InputError, reason

__all__ = ["load", "names", "summary", "uses_batch"]


def names(path: Iterable[str]) -> tuple[str, ...]:
    """Names of the measures in a package's folder, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(path)))


@cache
def summary(package: str, name: str) -> str:
    """First sentence of a measure's docstring, read without running the file.

    Raises: InputError where the file is no Python, or defines no such function.
    """
    for node in _statements(package, name):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ")
    raise _unusable(package, name, f"it defines no function named {name}")


@cache
def uses_batch(package: str, name: str) -> bool:
    """Whether another batch of the same shape may change a measure, read without running the file.

    It may, unless the file says `USES_BATCH = False`, with or without a type.

    Raises: InputError where the file says anything else than True or False, or is no Python.
    """
    uses = True
    for node in _statements(package, name):
        if "USES_BATCH" in _assigned(node):
            said = getattr(node, "value", None)
            if not (isinstance(said, ast.Constant) and isinstance(said.value, bool)):
                raise _unusable(package, name, "USES_BATCH must be True or False")
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
    try:
        return ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
    except (SyntaxError, ValueError) as error:  # ValueError: no UTF-8, or zeros
        raise _unusable(package, name, reason(error)) from error


def _unusable(package: str, name: str, why: str) -> InputError:
    """The error for a measure's file that cannot be used."""
    place = "/".join(package.split("."))
    return InputError(f"{place}/{name}.py cannot be used: {why}; mend that, or take the file away")


def load(package: str, name: str) -> tuple[Callable[..., Any], frozenset[str]]:
    """A measure's function, and what its file says in `PASSES` that a probe must record.

    Raises: InputError where the file cannot be imported, or has no such function.
    """
    try:
        module = importlib.import_module(f"{package}.{name}")
    except (Exception, SystemExit) as error:  # a file may be the user's, and raise anything
        raise _unusable(package, name, reason(error)) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise _unusable(package, name, f"it defines no function named {name}")
    passes = getattr(module, "PASSES", ())
    if not (isinstance(passes, tuple | list | set | frozenset) and _are_texts(passes)):
        raise _unusable(package, name, 'PASSES must be a tuple of names, such as ("again",)')
    return function, frozenset(passes)


def _are_texts(given: Iterable[object]) -> bool:
    return all(isinstance(one, str) for one in given)
