"""A variant, a target, a companion is asked for by its row's attributes, nowhere by its name."""

import ast
from pathlib import Path

from edgepress.export import TARGETS, VARIANTS

ROOT = Path(__file__).parents[3]
FOLDERS = ("src/edgepress", "train", "export", "runtime", "benchmarks")
TABLES = ("export/variants.py", "export/targets.py")
NAMES = {variant.name for variant in VARIANTS.values()} | set(VARIANTS) | set(TARGETS)
TYPES = {"float32", "float16", "int8"}
"""Names of types of numbers too: compared as such they are no variant's."""
STEMS = {"dynamic", "mixed", "dynamic-", "int4", "-int4", "percentile"}
"""What a prefix or suffix of a name could be."""
LEFT = {
    "benchmarks/report/explain.py",
    "benchmarks/measure/rows.py",
    "benchmarks/studies/export_accuracy.py",
}
"""Modules that still ask; none may join them."""


def strings(node: ast.AST) -> set[str]:
    return {each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)}


def names_compared(tree: ast.AST) -> list[int]:
    """Lines that compare something with a variant's or target's name."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            spoken = " ".join(ast.unparse(side) for side in sides)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr not in ("startswith", "endswith", "removeprefix", "removesuffix"):
                continue
            sides, spoken = list(node.args), ast.unparse(node.func.value)
        else:
            continue
        found = set().union(*map(strings, sides))
        of_variant = any(word in spoken.lower() for word in ("variant", "target", "place"))
        if found & (NAMES - TYPES - {"int4"}) or (of_variant and found & (NAMES | STEMS | {"int", "float"})):
            lines.append(node.lineno)
    return lines


def asking() -> dict[str, list[int]]:
    found = {}
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            name = file.relative_to(ROOT).as_posix()
            linked = any(name.startswith(f"src/edgepress/{stage}/") for stage in FOLDERS)
            if name not in TABLES and not linked and (lines := names_compared(ast.parse(file.read_text()))):
                found[name] = lines
    return found


def test_no_module_asks_for_a_variants_or_targets_name():
    assert {name: lines for name, lines in asking().items() if name not in LEFT} == {}


def test_the_walk_finds_what_it_looks_for():
    program = """
if name == "mixed": pass
if variant.name.endswith("int4"): pass
if artifact.variant.startswith("dynamic"): pass
if key in ("int16x8", "onnx:int8"): pass
if artifact.variant == "float32": pass
if dtype == "int8": pass
if target != "browser": pass
"""
    assert names_compared(ast.parse(program)) == [2, 3, 4, 5, 6, 8]
