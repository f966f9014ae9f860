"""The study of Keras' own models on one small model: a row, its page, and a row that has no time."""

import json

from edgepress.benchmarks.studies.models.__main__ import main
from edgepress.benchmarks.studies.models.made import VARIANTS_MADE, make_row


def test_a_model_has_a_row_with_four_files_and_is_made_once(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("<!-- figures: models -->\n<!-- end -->\n")
    given = ["--rows", "tiny", "--work", str(tmp_path / "work"), "--pages", str(page)]
    assert main(given) == 0
    result = tmp_path / "work/tiny/result.json"
    made = json.loads(result.read_text())
    assert list(made["files"]) == list(VARIANTS_MADE)
    assert made["files"]["tflite:float32"]["reason"] == made["files"]["onnx:float32"]["reason"] == ""
    assert made["files"]["onnx:float32"]["same_label"] == 1
    assert made["files"]["tflite:int8"]["bytes"] < made["files"]["tflite:float32"]["bytes"]
    assert not [path for path in (tmp_path / "work/tiny").iterdir() if path.is_dir()], "scratch files stay"
    written = result.stat().st_mtime_ns
    assert main([*given, "--made"]) == 0
    assert result.stat().st_mtime_ns == written
    assert page.read_text().count("| tiny |") == 1
    assert "tflite: 1 of 1 models have both files." in page.read_text()


def test_a_model_that_takes_too_long_is_a_row_with_the_reason(tmp_path):
    made = make_row("tiny", tmp_path, seconds=1.0, gigabytes=8)
    assert made.ended == "not done after 1 s"
    assert {file.reason for file in made.files.values()} == {made.ended}
