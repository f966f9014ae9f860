"""`edgepress export` as people call it: real files, real processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgepress.benchmarks.studies.kill.export import kill_exports
from edgepress.train import save_keras

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """An .npz of 28 x 28 images with one bright quadrant each."""
    random = np.random.default_rng(1)

    def images(count):
        labels = random.integers(0, 4, count)
        pixels = random.integers(0, 120, (count, 28, 28))
        for image, label in zip(pixels, labels, strict=True):
            row, column = 14 * (label // 2), 14 * (label % 2)
            image[row : row + 14, column : column + 14] += 60
        return pixels.astype(np.uint8), labels

    path = tmp_path_factory.mktemp("data") / "quadrants.npz"
    (x_train, y_train), (x_test, y_test) = images(1500), images(100)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return path


def trained(data, path, *, shift=0.0):
    """A small MLP; `shift` is added to every logit."""
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    stack = [tf_keras.Input((784,), name="pixels"), layers.Dense(24, activation="relu"), layers.Dense(4, name="logits")]
    model = tf_keras.Sequential(stack)
    model.compile("adam", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with np.load(data) as arrays:
        model.fit(arrays["x_train"].reshape(-1, 784) / 255.0, arrays["y_train"], epochs=3, verbose=0)
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, bias + shift])
    save_keras(model, path)
    return path


@pytest.fixture(scope="module")
def model(data, tmp_path_factory):
    return trained(data, tmp_path_factory.mktemp("model") / "small.keras")


def edgepress(*arguments):
    command = [sys.executable, "-m", "edgepress", *map(str, arguments)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_two_processes_give_equal_bytes(model, data, tmp_path):
    digests = []
    for name in ("first", "second"):
        done = edgepress("export", model, "--data", data, "--out", tmp_path / name / "bundle", "--json")
        assert done.returncode == 0, done.stderr
        artifacts = json.loads(done.stdout)["artifacts"]
        digests.append({artifact["file"]: artifact["sha256"] for artifact in artifacts})
    assert len(digests[0]) == 6
    assert digests[0] == digests[1]
    for name in ("manifest.json", "selftest.npz"):
        assert (tmp_path / "first/bundle" / name).read_bytes() == (tmp_path / "second/bundle" / name).read_bytes()


def test_a_withheld_artifact_is_named_and_the_status_is_one(data, tmp_path):
    """Logits around 100,000 leave int8 no room for their differences."""
    model = trained(data, tmp_path / "shifted.keras", shift=100_000.0)
    done = edgepress(
        "export", model, "--data", data, "--out", tmp_path / "out", "--variant", "tflite:float32", "--variant", "int8"
    )
    assert done.returncode == 1
    assert (
        done.stderr.strip().splitlines()[-1].startswith("edgepress: withheld 2 of the artifacts: shifted-int8.tflite")
    )
    assert (tmp_path / "out/shifted-float32.tflite").is_file()
    assert not list((tmp_path / "out").glob("*int8*"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere.keras"], "no model at nowhere.keras"),
        (["{model}", "--variant", "int7"], "variant 'int7': allowed are"),
        (["{model}", "--data", "nowhere.npz"], "no data set at nowhere.npz"),
        (["{data}"], "quadrants.npz"),
        (["{model}", "{model}"], "two models are called 'small'"),
    ],
)
def test_bad_input_is_one_line_and_status_two(model, data, tmp_path, arguments, expected):
    filled = [text.format(model=model, data=data) for text in arguments]
    if "--data" not in filled:
        filled += ["--data", str(data)]
    done = edgepress("export", *filled, "--out", tmp_path / "out")
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("edgepress: ")
    assert expected in last
    assert not list(tmp_path.iterdir())


def test_a_kill_leaves_the_old_bundle_or_the_new_one(model, data):
    kills = list(kill_exports(model, str(data), range(2), seed=0))
    assert len(kills) == 2
    assert {kill["found"] for kill in kills} <= {"old", "new"}
    # What one writer left unfinished, the next one removed.
    assert max(kill["left"] for kill in kills) <= 1


def test_inspect_and_the_documented_snippet_read_a_bundle(model, data, tmp_path):
    assert edgepress("export", model, "--data", data, "--out", tmp_path / "out", "--variant", "int8").returncode == 0
    done = edgepress("inspect", tmp_path / "out/small-int8.tflite")
    assert done.returncode == 0
    assert "FULLY_CONNECTED" in done.stdout
    assert "weights   int8 100.0%" in done.stdout
    snippet = [sys.executable, str(ROOT / "docs/snippets/predict.py"), str(tmp_path / "out")]
    assert subprocess.run(snippet, capture_output=True, text=True, check=True).stdout.startswith("litert [")
    found = json.loads(edgepress("inspect", tmp_path / "out", "--json").stdout)
    assert [a["file"] for a in found["artifacts"]] == ["small-int8.tflite", "small-int8.onnx"]
    assert found["artifacts"][0]["inputs"][0]["dtype"] == "int8"
    assert found["changed"] == []
    with open(tmp_path / "out/small-int8.onnx", "ab") as file:
        file.write(b"\0")
    done = edgepress("inspect", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.strip() == "edgepress: not the files that the manifest states: small-int8.onnx"
