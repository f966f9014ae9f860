"""A backend, variant or format is looked up in a table; nobody asks for its name."""

import ast
from pathlib import Path

import edgepress.benchmarks

ROOT = Path(edgepress.benchmarks.__file__).parent


def comparisons(tree):
    """Source of every `x == "name"` and `x != "name"` whose x is a backend, a variant or a format."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and all(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            sides = [node.left, *node.comparators]
            named = any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides)
            asked = any(word in ast.unparse(node) for word in ("backend", "variant", "format"))
            if named and asked:
                yield ast.unparse(node)


def test_no_name_is_compared():
    files = [file for file in ROOT.rglob("*.py")]
    assert len(files) > 30
    found = {str(file.relative_to(ROOT)): list(comparisons(ast.parse(file.read_text()))) for file in files}
    assert {file: each for file, each in found.items() if each} == {}


def test_the_search_can_find():
    assert list(comparisons(ast.parse('row["backend"] != "litert" or a == b'))) == ["row['backend'] != 'litert'"]


def test_modules_and_folders_stay_small():
    for folder in [ROOT, *(path for path in ROOT.rglob("*") if path.is_dir())]:
        assert len(list(folder.glob("*.py"))) <= 20, folder
    for file in ROOT.rglob("*.py"):
        assert len(file.read_text().splitlines()) <= 400, file
