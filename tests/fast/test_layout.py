"""The folders are the architecture: packages, links, import direction, and what a fresh import loads."""

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

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
    [("edgepress.runtime", {"edgepress", "numpy"}), ("edgepress.cli", {"edgepress", "numpy", "click"})],
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
