"""The study of peers on a small model: a file that a peer makes, a peer that is out of time, the judgement kept."""

import json

import numpy as np
import pytest

from edgepress.base.files import file_sha256
from edgepress.benchmarks.studies.peers import judge as judging
from edgepress.benchmarks.studies.peers.cells import Cell, make_cell
from edgepress.benchmarks.studies.peers.models import Given
from edgepress.benchmarks.studies.peers.recipes import tensorflow_dynamic, tensorflow_float32


class OnFile(Given):
    """Its float model is a file: TensorFlow need not be loaded to judge."""

    @property
    def keras(self):
        file = self.folder / "float.tflite"
        return file if file.exists() else super().keras


@pytest.fixture
def given(tmp_path):
    import tf_keras

    rng, folder = np.random.default_rng(0), tmp_path / "blobs"
    folder.mkdir()
    y = rng.integers(0, 3, 700)
    x = (3 * np.eye(3, 4)[y] + rng.normal(0, 0.5, (700, 4))).astype(np.float32)
    np.savez(tmp_path / "blobs.npz", x_train=x[:400], y_train=y[:400], x_test=x[400:], y_test=y[400:])
    np.save(folder / "x.npy", x[:400])
    np.save(folder / "y.npy", y[:400])
    (folder / "told.json").write_text(json.dumps({"logits": True, "picture": None, "seconds": None}))
    (folder / "input.toml").write_text('kind = "features"\n')
    model = tf_keras.Sequential([tf_keras.Input((4,)), tf_keras.layers.Dense(3)])
    model.layers[0].set_weights([np.eye(4, 3, dtype=np.float32), np.zeros(3, np.float32)])
    model.save(folder / "float.keras")
    return OnFile(folder, tmp_path / "blobs.npz", None, None)


def test_files_are_judged_once_and_what_fails_has_its_reason(given, tmp_path, monkeypatch):
    late = make_cell("blobs", "keras-onnx", tmp_path, seconds=0.05)
    assert late.file is None
    assert late.said == "not done after 0.05 s"
    made = given.folder / "dynamic.tflite"
    tensorflow_dynamic(given, made)
    tensorflow_float32(given, given.folder / "float.tflite")
    # What is no model keeps no other file from being judged.
    broken = given.folder / "broken.tflite"
    broken.write_bytes(made.read_bytes()[:-100])
    cells = {
        "tensorflow-dynamic": Cell("blobs/dynamic.tflite", file_sha256(made), 1.0, 4, ""),
        "litert-dynamic": Cell("blobs/broken.tflite", file_sha256(broken), 1.0, 4, ""),
        "keras-onnx": late,
    }
    found = judging.judge(given, tmp_path, cells, "quick")
    assert list(found.files) == ["tensorflow-dynamic"]
    assert list(found.refused) == ["litert-dynamic"]
    row = found.files["tensorflow-dynamic"]
    assert row.value > 0.95
    assert row.bytes == made.stat().st_size
    assert row.interval[0] <= row.difference <= row.interval[1]
    monkeypatch.setattr(judging, "benchmark", None)
    assert judging.judge(given, tmp_path, cells, "quick") == found
