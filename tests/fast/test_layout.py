"""The folders are the architecture: packages, links, import direction, and what a fresh import loads."""

import ast
import functools
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from edgepress.export.targets import TARGETS
from edgepress.export.variants import VARIANTS
from edgepress.runtime.backends import BACKENDS
from edgepress.runtime.contract import KINDS
from edgepress.runtime.tasks import TASKS

ROOT = Path(__file__).parents[2]
STAGES = ("train", "export", "runtime", "benchmarks")


def source_folders() -> dict[str, Path]:
    """Package name to folder, for every folder that holds Python source."""
    roots = {f"edgepress.{stage}": ROOT / stage for stage in STAGES} | {"edgepress": ROOT / "src/edgepress"}
    found = {}
    for package, root in roots.items():
        for init in root.rglob("__init__.py"):
            inner = init.parent.relative_to(root).parts
            if not (package == "edgepress" and inner[:1] and inner[0] in STAGES):
                found[".".join((package, *inner))] = init.parent
    return found


def test_packages_equal_the_folder_tree():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    # To setuptools a folder of data alone is a package too.
    folders = source_folders() | {"edgepress.runtime.serve.static": ROOT / "runtime/serve/static"}
    assert sorted(config["packages"]) == sorted(folders)
    mapping = config["package-dir"]
    for package, folder in folders.items():
        head, tail = package, ""
        while head not in mapping:
            head, _, last = head.rpartition(".")
            tail = f"{last}/{tail}"
        assert ROOT / mapping[head] / tail == folder


@pytest.mark.parametrize("stage", STAGES)
def test_links_resolve_to_their_stage(stage):
    link = ROOT / "src/edgepress" / stage
    assert link.is_symlink()
    assert link.resolve() == ROOT / stage


@functools.cache
def source() -> dict[str, ast.Module]:
    """Every module of ours, read once."""
    files = sorted(file for folder in source_folders().values() for file in folder.glob("*.py"))
    return {str(file.relative_to(ROOT)): ast.parse(file.read_text()) for file in files}


def test_no_source_imports_a_bare_stage():
    for file, tree in source().items():
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            assert not [n for n in names if n.split(".")[0] in STAGES], f"{file} imports a bare stage"


def test_modules_and_folders_stay_small():
    for package, folder in source_folders().items():
        assert len(list(folder.glob("*.py"))) <= 20, package
        for file in folder.glob("*.py"):
            assert len(file.read_text().splitlines()) <= 400, file


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("edgepress", {"edgepress"}),
        ("edgepress.verbs", {"edgepress"}),
        ("edgepress.runtime", {"edgepress", "numpy"}),
        ("edgepress.cli", {"edgepress", "numpy", "click"}),
    ],
)
def test_a_fresh_import_loads_nothing_else(module, allowed):
    program = (
        "import sys, json; before = set(sys.modules); "
        f"import {module}; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    foreign = loaded - set(sys.stdlib_module_names) - allowed
    # Cython modules of numpy register a helper of their own (cython_runtime, _cython_3_...).
    assert not {name for name in foreign if not name.lstrip("_").startswith("cython")}


class Table(NamedTuple):
    """Rows that are asked for their fields, not for their names."""

    names: frozenset[str]
    homes: frozenset[str]
    """Files that may ask for a name: those that hold the table."""
    spoken: tuple[str, ...] = ()
    """Where one of these words is in the comparison, what follows counts as a name too."""
    parts: frozenset[str] = frozenset()


# Some variants are called what types of numbers are, which may be compared as such.
TYPES = frozenset({"float32", "float16", "int8", "int4"})
VARIANT_NAMES = frozenset(VARIANTS) | {variant.name for variant in VARIANTS.values()}
TABLES = {
    "BACKENDS": Table(frozenset(BACKENDS), frozenset({"runtime/backends/registry.py"})),
    "VARIANTS": Table(
        VARIANT_NAMES - TYPES,
        frozenset({"export/variants.py"}),
        ("variant", "place"),
        VARIANT_NAMES | {"dynamic", "mixed", "dynamic-", "-int4", "percentile", "int", "float"},
    ),
    "TARGETS": Table(frozenset(TARGETS), frozenset({"export/targets.py"})),
    # Bundles of schema 1 call an output raw, and the frontier study a point.
    "TASKS": Table(
        frozenset(TASKS),
        frozenset({"runtime/tasks/task.py", "runtime/bundle/embedded.py", "benchmarks/studies/frontier/study.py"}),
    ),
    "KINDS": Table(frozenset(KINDS), frozenset({"runtime/contract/__init__.py"})),
}
_TESTS = {"startswith", "endswith", "removeprefix", "removesuffix"}


def asked(node: ast.AST) -> tuple[list[ast.expr], str] | None:
    """What something is compared with (==, in, startswith, match, ...), and the source of the comparison."""
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators], ast.unparse(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _TESTS:
        return node.args, ast.unparse(node.func.value)
    if isinstance(node, ast.MatchValue):
        return [node.value], ""
    return None


def strings(sides: list[ast.expr]) -> set[str]:
    flat = [e for side in sides for e in (side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side])]
    return {e.value for e in flat if isinstance(e, ast.Constant) and isinstance(e.value, str)}


def name_comparisons(tree: ast.AST, table: Table) -> list[int]:
    """Lines on which something is compared with one of the names."""
    found = []
    for node in ast.walk(tree):
        if (comparison := asked(node)) is not None:
            given = strings(comparison[0])
            spoken = any(word in comparison[1].lower() for word in table.spoken)
            if given & (table.names | (table.parts if spoken else frozenset())):
                found.append(getattr(node, "lineno", None) or node.value.lineno)
    return found


@pytest.mark.parametrize("table", TABLES)
def test_a_row_is_asked_for_its_fields_not_for_its_name(table):
    found = [
        f"{place}:{line}"
        for place, tree in source().items()
        if place not in TABLES[table].homes
        for line in name_comparisons(tree, TABLES[table])
    ]
    assert not found, f"compare a field of {table}'s row instead"


@pytest.mark.parametrize(
    ("table", "program"),
    [
        ("BACKENDS", 'x.name == "litert"'),
        ("BACKENDS", 'x in ("litert", "other")'),
        ("BACKENDS", '"numpy" not in y'),
        ("BACKENDS", 'x.startswith("onnxruntime")'),
        ("BACKENDS", 'x.endswith(("a", "openvino"))'),
        ("BACKENDS", 'match x:\n  case "litert": pass'),
        ("VARIANTS", 'name == "mixed"'),
        ("VARIANTS", 'variant.name.endswith("-int4")'),
        ("VARIANTS", 'artifact.variant == "float32"'),
        ("VARIANTS", 'key in ("int16x8", "onnx:int8")'),
        ("TARGETS", 'target != "browser"'),
        ("TASKS", 'task.kind == "anomaly"'),
        ("KINDS", 'kinds == {"picture"}'),
    ],
)
def test_a_comparison_with_a_name_is_found(table, program):
    assert name_comparisons(ast.parse(program), TABLES[table])


@pytest.mark.parametrize("program", ['load(path, backend="litert")', 'names = ("mixed",)', 'dtype == "int8"'])
def test_what_is_none_is_not(program):
    assert not any(name_comparisons(ast.parse(program), table) for table in TABLES.values())
