"""`import edgepress` in a notebook: what it offers, in any order of imports, and what it says to unusable things."""

import importlib
import inspect
import itertools
import pickle
import pydoc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgepress
from edgepress.benchmarks import read_report
from edgepress.export import ExportResult, Withheld
from edgepress.press import PressResult
from edgepress.runtime import InputError

VERBS = ["benchmark", "export", "load", "press", "serve", "train"]
PACKAGES = ["export", "press", "train"]
REPORT = read_report(Path(__file__).parents[1] / "golden/report/report.json")
ROWS = (np.zeros((8, 3), np.float32), np.arange(8) % 2)


def fresh(program: str) -> str:
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_the_package_offers_is_pinned():
    assert sorted(edgepress.__all__) == ["Server", "__version__", *VERBS]
    assert set(edgepress.__all__) <= set(dir(edgepress))
    for verb in VERBS:
        assert callable(getattr(edgepress, verb))
    with pytest.raises(AttributeError, match="no attribute 'presss'"):
        _ = edgepress.presss


@pytest.mark.parametrize("verb", VERBS)
def test_looking_at_a_verb_imports_no_stage(verb):
    looks = f"inspect.signature(edgepress.verbs.{verb})"
    assert fresh(f"import sys, edgepress.verbs, inspect; {looks}; print('numpy' in sys.modules)") == "False"


STEPS = {
    "package": "import edgepress.export",
    "attribute": "import edgepress; edgepress.export",
    "function": "from edgepress.export import export; assert export.__module__ == 'edgepress.export.bundle'",
    "other": "import edgepress.press",
    "inner": "import edgepress.export.variants as inner; assert inner.VARIANTS",
    "top": "import sys; from edgepress import export as top; assert top is sys.modules['edgepress.export']",
}


@pytest.mark.parametrize("first", STEPS)
def test_a_package_is_called_and_imported_in_any_order(first):
    rest = [step for name, step in STEPS.items() if name != first]
    # A quick look for the whole: the other steps forwards and backwards, all in a process that has imported nothing.
    for order in (rest, rest[::-1]):
        check = (
            "import edgepress, types, sys; assert callable(edgepress.export); "
            "assert isinstance(edgepress.export, types.ModuleType); "
            "assert edgepress.export is sys.modules['edgepress.export']; "
            "assert edgepress.export.export is not edgepress.export; "
            "assert edgepress.export.variants.VARIANTS; print('well')"
        )
        assert fresh("\n".join([STEPS[first], *order, check])) == "well"


def test_every_pair_of_packages_is_callable_after_either():
    for first, second in itertools.permutations(PACKAGES, 2):
        both = f"edgepress.{first}, edgepress.{second}"
        assert fresh(f"import {both}; print(*map(callable, ({both})))") == "True True"


@pytest.mark.parametrize("name", PACKAGES)
def test_help_shows_how_a_package_is_called(name):
    package = getattr(edgepress, name)
    verb = getattr(importlib.import_module("edgepress.verbs"), name)
    assert inspect.signature(package) == inspect.signature(verb)
    shown = pydoc.plain(pydoc.render_doc(package))
    assert f"edgepress.{name}(model" in shown
    assert "Args:" in shown
    # The package's own first line stays its synopsis.
    own = (Path(package.__file__).read_text()).split('"""')[1].splitlines()[0]
    assert own in shown.splitlines()[3]


@pytest.mark.parametrize("name", PACKAGES)
def test_pickling_and_reloading_leave_a_package_as_it_is(name):
    package = getattr(edgepress, name)
    assert pickle.loads(pickle.dumps(package)) is package
    function = getattr(package, name)
    assert pickle.loads(pickle.dumps(function)) is function
    program = (
        f"import edgepress.{name}; from importlib import reload; reload(edgepress.{name}); reload(edgepress); "
        f"print(callable(edgepress.{name}), edgepress.{name}.__name__)"
    )
    assert fresh(program) == f"True edgepress.{name}"


def parameters(function):
    return {name for name, each in inspect.signature(function).parameters.items() if each.kind is not each.VAR_KEYWORD}


STAGES = {
    "press": ("edgepress.press", {"data"}),
    "train": ("edgepress.train", {"dataset", "config"}),
    "export": ("edgepress.export", {"models"}),
    "benchmark": ("edgepress.benchmarks", {"dataset"}),
    "load": ("edgepress.runtime", set()),
}


@pytest.mark.parametrize("verb", STAGES)
def test_a_verb_offers_all_that_its_stage_does(verb):
    module, renamed = STAGES[verb]
    stage = getattr(importlib.import_module(module), verb)
    assert not parameters(stage) - renamed - parameters(getattr(importlib.import_module("edgepress.verbs"), verb))


def test_load_is_the_runtimes():
    ours = inspect.signature(edgepress.load).parameters
    theirs = inspect.signature(importlib.import_module("edgepress.runtime").load).parameters
    assert {name: each.default for name, each in ours.items()} == {name: each.default for name, each in theirs.items()}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: edgepress.press("model.keras"), "a model and no data: give what it was trained on"),
        (lambda: edgepress.train("model.h5"), "a model and no data"),
        (lambda: edgepress.press(ROWS, "model.keras"), "the data come first and the model second"),
        (lambda: edgepress.export(ROWS, "model.keras"), "the data come first and the model second"),
        (lambda: edgepress.press(object(), ROWS), "builtins.object as the model: give a Sequential or functional"),
        (lambda: edgepress.export(3, ROWS), "builtins.int as the model"),
        (lambda: edgepress.export(None, ROWS), "export without a model"),
        (lambda: edgepress.press(ROWS, task="anomaly"), "normal"),
        (lambda: edgepress.press("nowhere.csv", label="price"), "no data set at nowhere.csv"),
    ],
)
def test_what_cannot_be_taken_is_told_in_one_line(call, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_serving_nothing_is_told_as_the_command_tells_it(tmp_path):
    with pytest.raises(InputError, match="nothing"):
        edgepress.serve(tmp_path / "nothing", port=0)


def test_a_notebook_shows_a_reports_table():
    page, text = REPORT._repr_html_(), REPORT._repr_markdown_()
    for row in REPORT.rows:
        assert page.count(f">{row.artifact}</td>") == text.count(f"| {row.artifact} |") >= 1
        assert row.artifact in str(REPORT)
    assert len(repr(REPORT)) < 200


def test_a_notebook_shows_what_a_press_left_behind(tmp_path):
    exported = ExportResult(None, (Withheld("a.tflite", "too far <from> float"),), None)
    result = PressResult(tmp_path, tmp_path / "bundle", exported, REPORT)
    assert "<table>" in result._repr_html_()
    assert "withheld a.tflite: too far &lt;from&gt; float" in result._repr_html_()
    for text in (result._repr_markdown_(), str(result)):
        assert "withheld a.tflite: too far <from> float" in text
        assert f"bundle: {tmp_path / 'bundle'}" in text
    assert len(repr(result)) < 300


def test_a_loaded_model_says_what_it_is(golden_bundle):
    with edgepress.load(golden_bundle, variant="int8") as model:
        told = repr(model)
    assert told.startswith("<edgepress Model ")
    for part in (model.artifact.file, "int8", f"in {model.backend}", "picture to multiclass of 10 (0, 1, 2, 3, ...)"):
        assert part in told
    assert repr(model).endswith(", closed>")
