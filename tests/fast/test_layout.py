"""The folders are the architecture: packages, links, import direction, and what a fresh import loads."""

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

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


def test_no_source_imports_a_bare_stage():
    for folder in source_folders().values():
        for file in folder.glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    names = [node.module]
                assert not [n for n in names if n.split(".")[0] in STAGES], f"{file} imports a bare stage"


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


# Each table with the names of its rows, and the files that may ask for one of them by name: those that hold the table.
TABLES = {
    "BACKENDS": (frozenset(BACKENDS), {"runtime/backends/registry.py"}),
    # Some variants are called what types are, and types may be compared.
    "VARIANTS": (
        frozenset(VARIANTS) | {variant.name for variant in VARIANTS.values()} - {"float32", "float16", "int8", "int4"},
        {"export/variants.py"},
    ),
    "TARGETS": (frozenset(TARGETS), {"export/targets.py"}),
    # Bundles of schema 1 call an output raw, and the frontier study a point.
    "TASKS": (
        frozenset(TASKS),
        {"runtime/tasks/task.py", "runtime/bundle/embedded.py", "benchmarks/studies/frontier/study.py"},
    ),
    "KINDS": (frozenset(KINDS), {"runtime/contract/__init__.py"}),
}
_TESTS = {"startswith", "endswith", "removeprefix", "removesuffix"}


def name_comparisons(source: str, names: frozenset[str]) -> list[int]:
    """Lines on which something is compared with one of the names: ==, !=, in, not in, startswith, match, ..."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _TESTS:
            sides = node.args
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        else:
            continue
        flat = [
            e for side in sides for e in (side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side])
        ]
        if any(isinstance(e, ast.Constant) and isinstance(e.value, str) and e.value in names for e in flat):
            found.append(node.lineno if hasattr(node, "lineno") else node.value.lineno)
    return found


@pytest.mark.parametrize("table", TABLES)
def test_a_row_is_asked_for_its_fields_not_for_its_name(table):
    names, allowed = TABLES[table]
    found = []
    for folder in source_folders().values():
        for file in folder.glob("*.py"):
            place = str(file.relative_to(ROOT))
            if place not in allowed:
                found += [f"{place}:{line}" for line in name_comparisons(file.read_text(), names)]
    assert not found, f"compare a field of {table}'s row instead"


@pytest.mark.parametrize(
    "source",
    [
        'x.name == "litert"', 'x != "numpy"', 'x in ("litert", "other")', '"numpy" not in y',
        'x.startswith("onnxruntime")', 'x.endswith(("a", "openvino"))', 'match x:\n  case "litert": pass',
    ],
)  # fmt: skip
def test_a_comparison_with_a_name_is_found(source):
    assert name_comparisons(source, frozenset(BACKENDS))
    assert not name_comparisons('load(path, backend="litert"); names = ("litert",); x == "else"', frozenset(BACKENDS))
