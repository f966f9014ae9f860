"""Files that were made by anyone, side by side, in real processes: their contract is read or found, never assumed."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from bundles import golden
from click.testing import CliRunner
from onnx_models import colours, of_channels

import edgepress
from edgepress.benchmarks import benchmark, parse_report, report_to_dict
from edgepress.benchmarks.measure.speed import PACES, Pace
from edgepress.benchmarks.report.table import to_text
from edgepress.cli import main
from edgepress.data import dataset_of_arrays
from edgepress.runtime import InputError

SCHEMA = json.loads(Path(edgepress.benchmarks.__file__).with_name("report").joinpath("report.schema.json").read_text())
KERNEL = 40 * np.eye(3) - 10
NAMES = ("red", "green", "blue")


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setitem(PACES, "quick", Pace(2, 1, 500, (4, 256), thorough=False))


@pytest.fixture(scope="module")
def pictures():
    x, y = colours(900)
    return dataset_of_arrays("colours", (x[:500], y[:500]), (x[500:], y[500:]), names=NAMES)


@pytest.fixture
def folder(tmp_path):
    of_channels(tmp_path / "logits.onnx", KERNEL)
    of_channels(tmp_path / "shares.onnx", KERNEL, softmax=True, classes=True, size=(None, 3, "h", "w"))
    return tmp_path


def measured(models, data, **options):
    return benchmark(models, data, preset="quick", **options)


def test_how_a_file_is_fed_is_found_and_said(folder, pictures):
    of_channels(folder / "pixels.onnx", KERNEL, scale=1 / 255, size=(4, 3, 8, 8))
    report = measured([folder / name for name in ("logits.onnx", "shares.onnx", "pixels.onnx")], pictures)
    base, shares, pixels = report.rows
    assert base.accuracy > 0.8
    assert report.baseline.artifact == "logits.onnx"
    # Logits and probabilities say the same.
    assert shares.scores.log_loss == pytest.approx(base.scores.log_loss, rel=1e-4)
    assert shares.agreement == pixels.agreement == 1
    why = [model["contract"]["found"]["why"] for model in report.models]
    assert why == ["pixels/255", "pixels/255", "pixels"]
    assert [model["task"]["meaning"] for model in report.models] == ["logits", "probabilities", "logits"]
    text = to_text(report)
    assert "Input of logits.onnx: pixels/255, found by trying on 500 training examples, none of them judged" in text
    assert "One call of pixels.onnx takes 4 examples" in text
    jsonschema.validate(json.loads(json.dumps(report_to_dict(report), allow_nan=False)), SCHEMA)
    assert parse_report(json.loads(json.dumps(report_to_dict(report)))) == report


def test_what_is_judged_was_not_tried_on(folder, pictures):
    """A part that was both would show: the training part is nonsense here, and so nothing is found on it."""
    x, y = pictures.x_train, np.random.default_rng(1).permutation(pictures.y_train)
    nonsense = dataset_of_arrays("colours", (x, y), (pictures.x_test, pictures.y_test), names=NAMES)
    with pytest.raises(InputError, match="no better than the trivial answer"):
        measured(folder / "logits.onnx", nonsense)
    report = measured(folder / "logits.onnx", nonsense, input="pixels/255")
    assert report.rows[0].accuracy > 0.8


def test_metadata_are_believed_where_they_are_right(folder, pictures):
    options = {"mean": "[0, 0, 0]", "std": "[1, 1, 1]"}
    of_channels(folder / "right.onnx", KERNEL, **options)
    of_channels(folder / "wrong.onnx", KERNEL, scale=1 / 255, **options)
    right, wrong = (measured(folder / f"{name}.onnx", pictures) for name in ("right", "wrong"))
    assert right.models[0]["contract"]["found"]["why"] == "the ONNX properties"
    assert wrong.models[0]["contract"]["found"]["why"] == "pixels"
    assert right.rows[0].accuracy == wrong.rows[0].accuracy > 0.8
    assert "the ONNX properties of wrong.onnx say otherwise, by which it answers worse" in wrong.notes


def test_other_classes_are_refused(folder, pictures):
    of_channels(folder / "turned.onnx", KERNEL, names="{0: 'green', 1: 'red', 2: 'blue'}")
    with pytest.raises(
        InputError, match=r"classes red, green, blue \(3\)? ?in this order|turned\.onnx green, red, blue"
    ):
        measured(folder / "turned.onnx", pictures)
    of_channels(folder / "four.onnx", np.ones((4, 3)))
    with pytest.raises(InputError, match=r"four\.onnx gives 4 numbers, and colours has 3 classes \(red, green, blue\)"):
        measured(folder / "four.onnx", pictures)


def test_a_broken_file_is_a_row_that_loses(folder, pictures):
    of_channels(folder / "broken.onnx", np.ones((3, 3)))
    (folder / "damaged.onnx").write_bytes((folder / "logits.onnx").read_bytes()[:200])
    report = measured([folder / f"{name}.onnx" for name in ("logits", "broken", "damaged")], pictures)
    assert [row.artifact for row in report.rows] == ["logits.onnx", "broken.onnx"]
    assert not report.rows[1].verdict.non_inferior
    assert any("how broken.onnx takes its input cannot be told" in note for note in report.notes)
    assert report.failed[0].artifact == "damaged.onnx"
    with pytest.raises(InputError, match="baseline cannot be opened"):
        measured(folder / "damaged.onnx", pictures)
    with pytest.raises(InputError, match="no better than the trivial answer"):
        measured(folder / "broken.onnx", pictures)


def test_a_benchmark_of_nothing_has_failed(folder):
    """It ended with status 0 when no file besides the baseline could be run."""
    x, y = colours(900)
    np.savez(folder / "colours.npz", x_train=x[:500], y_train=y[:500], x_test=x[500:], y_test=y[500:])
    (folder / "damaged.onnx").write_bytes((folder / "logits.onnx").read_bytes()[:200])
    files = [str(folder / name) for name in ("logits.onnx", "damaged.onnx")]
    result = CliRunner().invoke(
        main, ["benchmark", *files, "--data", str(folder / "colours.npz"), "--preset", "quick", "--json"]
    )
    assert result.exit_code == 1
    assert "nothing was measured besides the baseline: damaged.onnx: " in result.stderr
    assert len(json.loads(result.stdout)["rows"]) == 1


def test_bundles_and_files_stand_side_by_side(bundle, dataset, tmp_path):
    ((_, content),) = golden("digits-int8.onnx").items()
    (tmp_path / "alone.onnx").write_bytes(content)
    report = measured([bundle, tmp_path / "alone.onnx"], dataset)
    assert report.rows[0].artifact == "digits-float32.tflite"
    twin = next(row for row in report.rows if row.artifact == "digits-int8.onnx")
    assert report.rows[-1].accuracy == twin.accuracy
    turned = measured(bundle, dataset, float_model=tmp_path / "alone.onnx")
    assert turned.rows[0].artifact == "alone.onnx"
    assert len(turned.rows) == 4


def test_each_model_gets_the_pictures_in_its_own_size(folder):
    large, y = colours(900, size=16)
    np.savez(folder / "colours.npz", x_train=large[:500], y_train=y[:500], x_test=large[500:], y_test=y[500:])
    of_channels(folder / "large.onnx", KERNEL, size=(None, 3, 16, 16))
    report = edgepress.benchmark(
        [folder / "large.onnx", folder / "logits.onnx"], folder / "colours.npz", preset="quick", input="pixels/255"
    )
    assert [row.accuracy > 0.8 for row in report.rows] == [True, True]
    result = CliRunner().invoke(
        main,
        ["benchmark", str(folder / "large.onnx"), str(folder / "logits.onnx"), "--data", str(folder / "colours.npz"),
         "--preset", "quick", "--input", "pixels/255", "--input", "logits.onnx=pixels", "--json"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [model["contract"]["found"]["why"] for model in found["models"]] == ["pixels/255", "pixels"]
    assert found["rows"][0]["accuracy"] == report.rows[0].accuracy
