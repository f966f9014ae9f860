"""`edgepress predict`, `selftest` and `doctor`: output, exit status, one line for bad input."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from edgepress.cli import main
from edgepress.runtime import Manifest
from edgepress.runtime.conformance.golden import write_selftest


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def picture(digits, tmp_path):
    path = tmp_path / "digit.png"
    Image.fromarray(np.pad(255 - digits[0][0], 9, constant_values=255)).save(path)
    return path


def test_predict(bundle, digits, picture):
    done = run("predict", bundle, picture, picture)
    assert done.exit_code == 0
    assert done.stdout.count(f"  {digits[1][0]}  0.") == 2
    done = run("predict", bundle, picture, "--backend", "numpy", "--no-delegate", "--json")
    result = json.loads(done.stdout)
    assert result["backend"] == "numpy"
    assert result["predictions"][0]["label"] == str(digits[1][0])
    assert sum(result["predictions"][0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_predict_finds_what_is_on_a_page(bundle, digits, tmp_path):
    row = np.concatenate([np.pad(255 - image, 9, constant_values=255) for image in digits[0][:3]], axis=1)
    Image.fromarray(row.repeat(3, 0).repeat(3, 1)).save(tmp_path / "page.png")
    found = json.loads(run("predict", bundle, tmp_path / "page.png", "--page", "--json").stdout)["predictions"]
    assert len(found) == 3
    assert found[0]["box"][0] < found[1]["box"][0] < found[2]["box"][0]
    assert "  box " in run("predict", bundle, tmp_path / "page.png", "--page", "--isolate").stdout


def test_predict_says_unknown_where_asked_to(bundle, tmp_path):
    Image.fromarray(np.full((40, 40), 255, np.uint8)).save(tmp_path / "blank.png")
    assert "  unknown  " in run("predict", bundle, tmp_path / "blank.png", "--unknown").stdout


@pytest.mark.parametrize(
    "arguments", [("no-bundle", "x.png"), ("{bundle}", "no.png"), ("{bundle}", "no.png", "--variant", "int1")]
)
def test_bad_input_is_one_line_and_status_2(bundle, arguments):
    done = run("predict", *(a.replace("{bundle}", str(bundle)) for a in arguments))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("edgepress: ")
    assert done.stderr.count("\n") == 1


def test_selftest_exits_with_1_where_an_artifact_is_wrong(bundle_of, digits):
    copy = bundle_of("digits-int8.tflite", "digits-int8.onnx")
    vectors = write_selftest(copy, digits[0][:16])
    manifest = Manifest.read(copy)._replace(selftest="selftest.npz")
    (copy / "manifest.json").write_text(manifest.to_json())
    done = run("selftest", copy, "--backend", "numpy", "--backend", "onnxruntime")
    assert done.exit_code == 0, done.output
    done = run("selftest", copy, "--backend", "litert")
    assert done.exit_code == 0, done.output
    assert "not tried, no backend here reads them: digits-" in done.stdout
    vectors.outputs["digits-int8.tflite"][0] += 1
    vectors.write(copy / "selftest.npz")
    done = run("selftest", copy, "--backend", "numpy", "--backend", "onnxruntime", "--json")
    assert done.exit_code == 1
    assert list(json.loads(done.stdout)["refused"]) == ["digits-int8.tflite"]
    assert "digits-int8.tflite" in done.stderr


def test_doctor_names_what_is_missing_with_its_command():
    facts = json.loads(run("doctor", "--json").stdout)
    assert facts["backends"]["numpy"]["missing"] is None
    mend = "pip install" if sys.version_info < (3, 12) else "no wheel for Python 3."
    assert mend in facts["backends"]["tflite-runtime"]["missing"]
    text = run("doctor").stdout
    assert "litert" in text
    assert "ready, version" in text
