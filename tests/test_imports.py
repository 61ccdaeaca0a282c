"""The package's imports: in one direction, no torch where none is needed, no cycles."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

import zcproxy

PACKAGE = Path(zcproxy.__file__).parent
HEAVY = {"torch", "torchvision", "pandas", "scipy", "matplotlib", "seaborn", "sklearn", "pyarrow"}

SHARED = (
    ("errors",),
    (
        "arguments",
        "blueprint",
        "catalogue",
        "configuration",
        "folders",
        "imported",
        "kinds",
        "numerals",
        "protocols",
        "sampling",
    ),
    ("networks",),
    ("spaces",),
)
"""What both branches stand on. A line of layers may import from the lines before it alone."""

SCORES = (
    ("calls", "datasets", "graph", "leaves", "patterns", "second_order", "totals", "undisturbed"),
    ("blocks", "feature_maps"),
    ("recorder", "scale_invariance", "weights"),
    ("probe",),
    ("cell_*", "per_image", "stacked_*"),
    ("saliencies",),
    ("proxies",),
    ("scoring",),
    ("store",),
    ("runs",),
    ("models", "training"),
    ("pruning",),
    ("callbacks", "candidates", "embedded"),
)
"""All that computes scores or masks; it stands on SHARED and never sees a label."""

LABELS = (
    ("tables",),
    ("downloads",),
    ("analysis",),
    ("plots", "report_text"),
    ("page", "reports"),
)
"""Accuracies and what is said about them; it stands on SHARED and never computes a score."""

TOP = (("experiments", "reproduction"), ("cli",))
"""Where the branches meet: pruned networks and the analysis of their accuracies, and the rest."""

BRANCHES = {"shared": SHARED, "scores": SCORES, "labels": LABELS, "top": TOP}
STANDS_ON = {
    "shared": ("shared",),
    "scores": ("shared", "scores"),
    "labels": ("shared", "labels"),
    "top": ("shared", "scores", "labels", "top"),
}

TORCHLESS = ["arguments", "blueprint", "spaces", "protocols", "tables", "analysis", "store"]
TORCHLESS += ["catalogue", "cli", "configuration", "downloads", "folders", "proxies", "saliencies"]
TORCHLESS += ["candidates", "errors", "imported", "kinds", "numerals", "plots", "report_text"]
TORCHLESS += ["page", "reports", "sampling"]


@cache
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
    return frozenset(imported(modules()[module].read_text(encoding="utf-8"), anywhere))


def imported(source: str, anywhere: bool) -> Iterator[str]:
    """Modules that a source imports by a statement, a public name of ours, or a text (dynamic)."""
    pending: list[ast.AST] = [ast.parse(source)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not anywhere:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import: {ast.unparse(node)}"
            yield from (named(f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "zcproxy":
            yield named(f"zcproxy.{node.attr}")
        elif anywhere and isinstance(node, ast.Constant) and str(node.value).startswith("zcproxy."):
            # importlib.import_module(f"zcproxy.models.{name}") loads anything of zcproxy.models
            yield from (m for m in modules() if inside(m, [str(node.value).rstrip(".")]))
        pending.extend(ast.iter_child_nodes(node))


def named(name: str) -> str:
    """The module of a dotted name: itself, the home of a public name, or what stands before it."""
    first, _, last = name.rpartition(".")
    if name in modules():
        return name
    return zcproxy._HOMES[last][0] if first == "zcproxy" and last in zcproxy._HOMES else first


def reached(module: str, anywhere: bool) -> set[str]:
    """All a module imports, directly or not, packages on the way included."""
    seen: set[str] = set()
    pending = [module]
    while pending:
        name = pending.pop()
        if name in seen or name == "zcproxy":  # which loads its public names only when used
            continue
        seen.add(name)
        if name in modules():
            pending.extend(imports(name, anywhere))
            pending.append(name.rpartition(".")[0])
    return seen - {module}


def inside(name: str, packages: Iterator[str] | list[str]) -> bool:
    """Whether a module is one of these dotted names, or in one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def ours(*layers: str) -> list[str]:
    """Dotted names of layers."""
    return [f"zcproxy.{layer}" for layer in layers]


def layers(branch: str) -> list[str]:
    """All names in a branch."""
    return [name for line in BRANCHES[branch] for name in line]


def place(module: str) -> tuple[str, int, str] | None:
    """Branch, number of the line and name of the layer of a module, if it has one."""
    top = module.split(".")[1]
    for branch, lines in BRANCHES.items():
        for number, line in enumerate(lines):
            for name in line:
                if fnmatch(top, name):
                    return branch, number, name
    return None


def against_the_order(module: str, others: Iterator[str] | frozenset[str]) -> list[str]:
    """Those of the imports of a module that its layer must not import, in words."""
    here = place(module)
    assert here is not None, f"zcproxy.{module.split('.')[1]} is in no layer of tests/test_imports"
    wrong = []
    for other in sorted(others):
        if not other.startswith("zcproxy.") or (there := place(other)) in (None, here):
            continue
        allowed = there[0] in STANDS_ON[here[0]]
        if not allowed or (there[0] == here[0] and there[1] >= here[1]):
            wrong.append(
                f"{module} ({here[0]}, line {here[1] + 1}) must not import {other} "
                f"({there[0]}, line {there[1] + 1}): see the layers in tests/test_imports.py"
            )
    return wrong


BELOW_ROOT = [module for module in modules() if module != "zcproxy"]


def test_every_module_has_one_place_in_the_order() -> None:
    tops = {module.split(".")[1] for module in BELOW_ROOT}
    lost = {top for top in tops if place(f"zcproxy.{top}") is None}
    assert not lost, f"place {sorted(lost)} in SHARED, SCORES, LABELS or TOP of tests/test_imports"
    everything = [name for branch in BRANCHES for name in layers(branch)]
    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize("module", BELOW_ROOT)
def test_imports_go_in_one_direction(module: str) -> None:
    wrong = against_the_order(module, imports(module, anywhere=True))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("blueprint", "def f():\n    from zcproxy.runs.coordinator import run"),
        ("tables.compact", "def f():\n    import zcproxy.scoring"),
        ("tables.compact", "def f():\n    from zcproxy import scoring"),
        ("tables.compact", "from zcproxy import score"),
        ("tables.compact", "import zcproxy\nzcproxy.score(1, 2, 3)"),
        ("store.lock", "def f():\n    from zcproxy.runs.pool import Pool"),
        ("datasets.pixels", "class A:\n    def f(self):\n        from zcproxy import scoring as s"),
        ("candidates", "from zcproxy import tables"),
        ("candidates", "def f():\n    import zcproxy\n    return zcproxy.table('nasbench201')"),
        ("candidates", "import importlib\nimportlib.import_module('zcproxy.tables')"),
        ("scoring", "import importlib as i\nx = i.import_module(f'zcproxy.analysis.{name}')"),
        ("scoring", "from zcproxy.pruning import Mask"),
        ("pruning.methods", "def f():\n    import zcproxy.tables.finding as finding"),
        ("cell_probe", "lambda: __import__('zcproxy.runs.pool')"),
        ("recorder", "from zcproxy import weights"),
        ("analysis.table", "if True:\n    from zcproxy.store import Store"),
    ],
)
def test_what_breaks_the_order_is_seen(module: str, source: str) -> None:
    """Of these, a walk over the imports at the top of modules would see a few."""
    assert against_the_order(f"zcproxy.{module}", imported(source, anywhere=True))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("scoring", "from zcproxy import catalogue, proxies, saliencies"),
        ("scoring", "from zcproxy.cell_probe import CellProbe"),
        ("cell_probe", "from zcproxy import networks, probe, cell_passes"),
        ("pruning.methods", "from zcproxy import saliencies, scoring, probe, networks, datasets"),
        ("pruning.methods", "from zcproxy import store\nfrom zcproxy.models.vgg import vgg"),
        ("runs.ray_pool", "from zcproxy.runs.items import Item\nimport zcproxy\nzcproxy.x"),
        ("tables.frame", "from zcproxy import space"),
        ("cli.demo", "from zcproxy import tables, scoring, reports, score, table"),
        ("scoring", "if TYPE_CHECKING:\n    from zcproxy.pruning import Mask"),
    ],
)
def test_what_keeps_the_order_passes(module: str, source: str) -> None:
    assert not against_the_order(f"zcproxy.{module}", imported(source, anywhere=True))


def test_a_module_without_a_place_is_told_so() -> None:
    with pytest.raises(AssertionError, match=r"zcproxy\.guess is in no layer"):
        against_the_order("zcproxy.guess", iter(["zcproxy.errors"]))


def test_the_walk_sees_imports() -> None:
    assert "torch" in reached("zcproxy.probe", anywhere=False)
    assert "zcproxy.recorder" in imports("zcproxy.probe", anywhere=False)
    assert "zcproxy.networks.cells" in imports("zcproxy.spaces.nasbench201", anywhere=True)
    assert "zcproxy.networks.cells" not in imports("zcproxy.spaces.nasbench201", anywhere=False)
    assert "zcproxy.proxies.snip" in imports("zcproxy.scoring", anywhere=True)  # by the catalogue
    assert "zcproxy.tables.finding" in reached("zcproxy.cli.demo", anywhere=True)


@pytest.mark.parametrize(
    "module", [m for m in BELOW_ROOT if inside(m, ours(*layers("shared"), *layers("scores")))]
)
def test_no_label_can_reach_a_score(module: str) -> None:
    leaked = {n for n in reached(module, anywhere=True) if inside(n, ours(*layers("labels")))}
    assert not leaked
    assert not {n for n in reached(module, anywhere=True) if inside(n, ours(*layers("top")))}


@pytest.mark.parametrize("module", [m for m in BELOW_ROOT if inside(m, ours("experiments"))])
def test_experiments_know_no_benchmark(module: str) -> None:
    known = {n for n in reached(module, anywhere=True) if inside(n, ours("tables", "downloads"))}
    assert not known


LISTED = [m for m in BELOW_ROOT if inside(m, ours(*TORCHLESS))] + ["zcproxy", "zcproxy.models"]
MEASURES = ("zcproxy.proxies.", "zcproxy.saliencies.")  # loaded when they are run


@pytest.mark.parametrize("module", [m for m in LISTED if not m.startswith(MEASURES)])
def test_no_torch_where_none_is_needed(module: str) -> None:
    loaded = {name.partition(".")[0] for name in reached(module, anywhere=False)}
    assert "torch" not in loaded


@pytest.mark.parametrize("module", [m for m in BELOW_ROOT if inside(m, ours("analysis", "plots"))])
def test_analysis_knows_nothing_of_networks(module: str) -> None:
    networks = ours("blueprint", "networks", "spaces", "tables", *layers("scores"))
    assert not {n for n in reached(module, anywhere=True) if inside(n, networks)}


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
    "from zcproxy import models; [models.summary(name) for name in models.names()]",
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
