"""The package's imports: one-directional, no torch where none is needed, no cycles."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import zcproxy

PACKAGE = Path(zcproxy.__file__).parent
HEAVY = {"torch", "torchvision", "pandas", "scipy", "matplotlib", "seaborn", "sklearn", "pyarrow"}
SCORING = ["probe", "recorder", "second_order", "saliencies", "proxies", "scoring", "networks"]
SCORING += [
    "datasets",
    "runs",
    "totals",
    "undisturbed",
    "spaces",
    "blueprint",
    "protocols",
    "training",
]
LABELS = ("zcproxy.tables", "zcproxy.analysis", "zcproxy.reports", "zcproxy.plots")
TORCHLESS = ["blueprint", "spaces", "protocols", "tables", "analysis", "store", "reports", "errors"]
TORCHLESS += ["catalogue", "cli", "configuration", "downloads", "folders", "proxies", "saliencies"]


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("zcproxy", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(module: str, anywhere: bool) -> frozenset[str]:
    """What a module imports when loaded, or `anywhere` in its functions; not for types alone."""
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    found: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not anywhere:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            source = node.module or ""
            found.update(
                name if (name := f"{source}.{alias.name}") in modules() else source
                for alias in node.names
            )
        pending.extend(ast.iter_child_nodes(node))
    return frozenset(found)


def reached(module: str, anywhere: bool) -> set[str]:
    """All a module imports, directly or not, packages on the way included."""
    seen: set[str] = set()
    pending = [module]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in modules():
            pending.extend(imports(name, anywhere))
            pending.extend([name.rpartition(".")[0]] if "." in name else [])
    return seen - {module}


def inside(name: str, packages: list[str]) -> bool:
    return any(name == f"zcproxy.{p}" or name.startswith(f"zcproxy.{p}.") for p in packages)


def test_the_walk_sees_imports() -> None:
    assert "torch" in reached("zcproxy.probe", anywhere=False)
    assert "zcproxy.recorder" in imports("zcproxy.probe", anywhere=False)
    assert "zcproxy.networks.cells" in imports("zcproxy.spaces.nasbench201", anywhere=True)
    assert "zcproxy.networks.cells" not in imports("zcproxy.spaces.nasbench201", anywhere=False)


@pytest.mark.parametrize("module", [m for m in modules() if inside(m, SCORING)])
def test_no_label_can_reach_a_score(module: str) -> None:
    leaked = {n for n in reached(module, anywhere=True) if n.startswith(LABELS)}
    assert not leaked


LISTED = [m for m in modules() if inside(m, TORCHLESS)]
MEASURES = ("zcproxy.proxies.", "zcproxy.saliencies.")  # loaded when they are run


@pytest.mark.parametrize("module", [m for m in LISTED if not m.startswith(MEASURES)])
def test_no_torch_where_none_is_needed(module: str) -> None:
    loaded = {name.partition(".")[0] for name in reached(module, anywhere=False)}
    assert "torch" not in loaded


@pytest.mark.parametrize("module", [m for m in modules() if inside(m, ["analysis"])])
def test_analysis_knows_nothing_of_networks(module: str) -> None:
    known = {n for n in reached(module, anywhere=True) if inside(n, SCORING[:7])}
    assert not known


def test_there_are_no_cycles() -> None:
    def own(module: str) -> set[str]:
        return {n for n in imports(module, anywhere=False) if n in modules()} - {module}

    finished: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module not in finished:
            for other in sorted(own(module)):
                if not module.startswith(f"{other}."):  # a part may name its own package
                    visit(other, (*path, module))
            finished.add(module)

    for module in modules():
        visit(module, ())
    assert finished == set(modules())


def test_every_module_says_one_thing() -> None:
    vague = {"utils", "helpers", "common", "base", "util", "misc", "tools", "helper"}
    assert not {part for module in modules() for part in module.split(".")} & vague


STATEMENTS = [
    "import zcproxy",
    "import zcproxy.spaces, zcproxy.tables, zcproxy.analysis, zcproxy.store, zcproxy.protocols",
    "import zcproxy.cli",
    "from zcproxy import proxies; proxies.names(); [proxies.summary(n) for n in proxies.names()]",
    "import zcproxy; s = zcproxy.space('nasbench201'); s.key(s.architectures()[0])",
    "from zcproxy import saliencies; saliencies.NAMES",
]


def loaded_by(statement: str) -> set[str]:
    """The modules a fresh process has after a statement."""
    path = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})"
    done = subprocess.run(
        [sys.executable, "-c", f"{path}; {statement}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_process_that_only_lists_never_loads_torch(statement: str) -> None:
    loaded = loaded_by(statement)
    assert "zcproxy" in loaded
    assert "torch" not in loaded


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    assert not loaded_by("import zcproxy.cli") & HEAVY
