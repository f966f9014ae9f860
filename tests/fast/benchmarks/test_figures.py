"""Figures in documents come from a script."""

import json

import pytest

from edgepress.benchmarks.studies.page.figures import insert_figures
from edgepress.benchmarks.studies.page.presses import press_row
from edgepress.benchmarks.studies.page.run_times import run_time
from edgepress.runtime import InputError


def test_only_the_marked_part_changes(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- figures: x -->\nold\n<!-- end -->\nb\n<!-- figures: y -->\nkept\n<!-- end -->\n")
    insert_figures(page, "x", r"new \1")
    assert page.read_text() == (
        "a\n<!-- figures: x -->\nnew \\1\n<!-- end -->\nb\n<!-- figures: y -->\nkept\n<!-- end -->\n"
    )


@pytest.mark.parametrize("text", ["no markers", "<!-- figures: x -->\n<!-- end -->\n" * 2])
def test_a_page_without_its_markers_is_refused_and_kept(tmp_path, text):
    page = tmp_path / "README.md"
    page.write_text(text)
    with pytest.raises(InputError, match="figures: x"):
        insert_figures(page, "x", "new")
    assert page.read_text() == text


@pytest.mark.parametrize(("note", "says"), [({}, "finished"), ({"seconds": 3.2, "resumed": True}, "interrupted")])
def test_a_press_without_a_time_of_its_own_is_refused(tmp_path, note, says):
    (tmp_path / "run.json").write_text(json.dumps({"preset": "quick"} | note))
    with pytest.raises(InputError, match=says):
        run_time(tmp_path)


def test_a_press_is_a_row(tmp_path, pytestconfig):
    note = {"seconds": 61.4, "resumed": False, "preset": "quick", "dataset": "mnist", "config": {"model": "cnn"}}
    report = json.loads((pytestconfig.rootpath / "tests/golden/report/report.json").read_text())
    row = report["rows"][1] | {
        "artifact": "pressed-int8.tflite", "accuracy": 0.991, "difference_points": -0.1,
        "difference_interval_points": [-0.2, 0.05], "sparsity": 0.8, "bytes": 90_000, "xz_bytes": 30_000,
    }  # fmt: skip
    report["baseline"]["accuracy"] = 0.992
    report["rows"] = [row]
    (tmp_path / "bundle/report").mkdir(parents=True)
    (tmp_path / "run.json").write_text(json.dumps(note))
    path = tmp_path / "bundle/report/report.json"
    path.write_text(json.dumps(report))
    assert press_row(tmp_path) == [
        "cnn", "quick", "mnist", "99.20", "99.10", "-0.10 [-0.20, +0.05]", "80", "90,000", "30,000", "1",
    ]  # fmt: skip
    path.write_text(json.dumps(report | {"rows": []}))
    with pytest.raises(InputError, match="withheld"):
        press_row(tmp_path)
