"""The kinds of failure have one home."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import zcproxy
from zcproxy import kinds, scoring
from zcproxy.runs import coordinator
from zcproxy.store import frame

PACKAGE = Path(zcproxy.__file__).parent


@pytest.mark.parametrize("word", [kinds.FAILURE, *kinds.UNKNOWN])
def test_no_other_module_spells_a_kind(word: str) -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if word in texts(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == {"kinds.py"}


def texts(tree: ast.Module) -> set[object]:
    """All constants of a module besides the names that it exports."""
    lines = [node for node in tree.body if not is_export(node)]
    return {
        node.value for line in lines for node in ast.walk(line) if isinstance(node, ast.Constant)
    }


def is_export(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def test_what_another_attempt_may_mend_is_not_known() -> None:
    assert {*coordinator.RETRIED, kinds.NOT_SCORED} == set(kinds.UNKNOWN)
    assert scoring.ERROR in kinds.UNKNOWN
    assert frame.FAILURE == kinds.FAILURE == "_failure"
