"""What is true of pictures and of classes alone stands in their own files: nothing else decides by 255, argmax, pixels
or images."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
STAGES = ("src/edgepress", "runtime", "export", "train", "benchmarks")
WORDS = frozenset({"argmax", "images", "pixels"})

PICTURES = "pictures' own file"
CLASSES = "classes' own file"
PLACE = "the place of a largest number, no class"
NAME = "a name, for examples of any kind"
ALLOWED = {
    "benchmarks/gate.py": "how many examples a report counts, under the name that reports have",
    "benchmarks/measure/energy.py": NAME,
    "benchmarks/measure/loadgen.py": NAME,
    "benchmarks/measure/speed.py": PLACE,
    "benchmarks/measure/worker.py": "classes for MLPerf's load generator; its accuracy is asked of classifiers alone",
    "benchmarks/question.py": "words for a message, by the kind of input; the member of golden vectors",
    "benchmarks/report/answers.py": NAME,
    "benchmarks/report/png.py": PICTURES,
    "benchmarks/report/table.py": "a column's head, which `Report.examples` replaces where there are no pictures",
    "benchmarks/report/terminal.py": "the same column",
    "benchmarks/statistics/intervals.py": NAME,
    "benchmarks/statistics/judge.py": "the trivial answer of classifiers, in closed form",
    "benchmarks/statistics/metrics.py": CLASSES,
    "benchmarks/statistics/robustness.py": PICTURES,
    "benchmarks/suite.py": "what a report shows of its examples, under the name that reports have",
    "benchmarks/values.py": "names of reports of schema 1; what people call examples, by the kind of input",
    "export/standardize.py": PLACE,
    "runtime/backends/kernels.py": "steps of 8 bits",
    "runtime/conformance/golden.py": "the member of golden vectors that holds pictures as they are",
    "runtime/conformance/matrix.py": "labels that agree, as the task decodes them",
    "runtime/contract/audio.py": PLACE,
    "runtime/contract/picture.py": PICTURES,
    "runtime/encoding.py": "the encoder of pictures and the decoder of classes",
    "runtime/formats/self_description.py": "what files say of pictures, in three formats",
    "runtime/model.py": "`Prediction`, and pages of pictures",
    "runtime/preprocess/files.py": "the reader of pictures",
    "runtime/preprocess/fit.py": PICTURES,
    "runtime/preprocess/pictures.py": PICTURES,
    "runtime/preprocess/scan.py": PICTURES,
    "runtime/serve/api/routes.py": "the API's words for pictures",
    "runtime/serve/api/schemas.py": "the API's words for pictures",
    "runtime/serve/api/v1.py": "the API's words for pictures",
    "runtime/serve/api/v2.py": "the API's words for pictures",
    "runtime/serve/web/example.py": "pictures of golden vectors; a category's place",
    "runtime/serve/work/batching.py": NAME,
    "runtime/serve/work/bodies.py": "the body of pictures",
    "runtime/serve/work/metrics.py": NAME,
    "runtime/serve/work/options.py": "the bound on pictures",
    "runtime/serve/work/requests.py": "the request of pictures",
    "runtime/serve/work/uploads.py": PICTURES,
    "runtime/stream/watchers.py": "watchers of classes",
    "src/edgepress/press/search.py": "border pixels that leave, of pictures alone; a file's name",
    "src/edgepress/press/search_figures.py": "how many examples a report counts",
    "src/edgepress/press/space.py": "border pixels that leave, of pictures alone",
    "src/edgepress/quality/classes.py": CLASSES,
    "train/compress/engine/points.py": "steps of 8 bits",
    "train/compress/engine/ranges.py": "steps of 8 bits",
    "train/compress/narrow.py": "steps of 8 bits",
    "train/compress/slim.py": PICTURES,
    "train/contract.py": "the ways of pictures, by their kind",
    "train/fitting/augment.py": PICTURES,
    "train/fitting/changes.py": "copies of pictures, and of other examples, one function a kind",
    "train/fitting/objective.py": "one row a task; the share of classes named",
    "train/models.py": "the input's name, by its kind",
    "train/run.py": "augmentation, one function a kind",
    "train/transfer.py": "published models of pictures",
    "train/trying.py": "another order of classes, of classifiers alone",
}
"""Where the words may stand in code, and why. All of `edgepress.data` may know pictures; studies decide nothing."""


def in_code(path: Path) -> set[str]:
    """The words that stand in a file's code: names, numbers, and texts without a space; not in words to people."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = set()
    for node in ast.walk(tree):
        found |= {word for name in ("id", "attr", "arg") if (word := getattr(node, name, None)) in WORDS}
        if isinstance(node, ast.Constant) and id(node) not in told:
            if type(node.value) in (int, float) and node.value == 255:
                found.add("255")
            if isinstance(node.value, str) and not re.search(r"\s", node.value):
                found |= WORDS & set(re.findall(r"[a-z]+", node.value))
    return found


def files() -> list[str]:
    links = {path for path in (ROOT / "src/edgepress").iterdir() if path.is_symlink()}
    paths = [path for stage in STAGES for path in sorted((ROOT / stage).rglob("*.py"))]
    return [
        path.relative_to(ROOT).as_posix()
        for path in paths
        if not links & set(path.parents) and "studies" not in path.parts and "data" not in path.parts
    ]


def test_what_pictures_and_classes_are_decides_nothing_elsewhere():
    found = {name: in_code(ROOT / name) for name in files()}
    elsewhere = {name: sorted(words) for name, words in found.items() if words and name not in ALLOWED}
    assert not elsewhere, "move it to the file of its kind or task, or give a reason here"
    assert not [name for name in ALLOWED if not found[name]], "none of the words any more: take it off the list"


def test_the_list_names_files_that_are_there():
    assert set(ALLOWED) <= set(files())


def test_the_search_finds_code_and_no_words(tmp_path):
    (tmp_path / "a.py").write_text('"""255 pixels."""\nlabel = scores.argmax(1)\nsay("255 images and pixels")\n')
    assert in_code(tmp_path / "a.py") == {"argmax"}
    (tmp_path / "a.py").write_text('x = value / 255.0\ny = {"images": 1}\nz = "pixels/255"\n')
    assert in_code(tmp_path / "a.py") == {"255", "images", "pixels"}
