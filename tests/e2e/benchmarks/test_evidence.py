"""Planted faults are found; what is the same passes."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from bundles import write_bundle

from edgepress.benchmarks import benchmark
from edgepress.benchmarks.gate import Gate, check_gate
from edgepress.benchmarks.values import Data

GATE = Gate(max_drop_points=1.0)


def row_of(report, artifact):
    return next(row for row in report.rows if row.artifact == artifact)


def test_the_float_keras_model_is_the_first_row(report, dataset):
    first = report.rows[0]
    assert (first.artifact, first.backend, first.format) == ("float.keras", "tensorflow", "keras")
    assert report.baseline.accuracy == first.accuracy > 0.9
    assert report.dataset == Data(dataset.name, len(dataset.x_test), dataset.sha256)
    assert report.failed == ()


def test_a_re_export_is_the_same(report):
    for artifact in ("again-float32.tflite", "float-float32.tflite", "again-int8.tflite"):
        row = row_of(report, artifact)
        low, high = row.comparison.difference_interval_points
        assert low <= 0 <= high
        assert row.verdict.text == "non-inferior within 0.5 points"
    checks = [check for check in check_gate(report, GATE) if check.row.startswith(("again", "float"))]
    assert checks
    assert all(check.passed for check in checks)


def test_a_broken_class_is_found(report):
    for artifact in ("broken-float32.tflite", "broken-int8.tflite", "broken-float32.onnx"):
        row = row_of(report, artifact)
        assert row.verdict.text == "not shown"
        assert row.comparison.difference_interval_points[1] < -5
        assert row.comparison.mcnemar_exact_p < 1e-6
        assert row.comparison.f1_difference[8].difference < -0.8
        assert row.flips.only_float_right
    failed = {check.row.split(" (")[0] for check in check_gate(report, GATE) if not check.passed}
    assert failed == {row.artifact for row in report.rows if row.model == "broken"}


def test_a_delegate_that_corrupts_output_is_found(dataset, tmp_path):
    """Block-sparse weights with dynamic quantization: LiteRT's default delegate answers at random, silently."""
    content = _block_sparse_model(dataset)
    bundle = write_bundle(tmp_path / "bundle", content, vectors=dataset.x_train[:64])
    report = benchmark(bundle, dataset, backends=("litert",), preset="quick")
    corrupt = row_of(report, "sparse-dynamic-int8.tflite")
    assert corrupt.accuracy < 0.5 < report.baseline.accuracy
    assert corrupt.verdict.text == "not shown"
    assert not all(check.passed for check in check_gate(report, GATE))


def test_the_command_fails_the_build(bundle, data_file, gate_file, tmp_path):
    command = [sys.executable, "-m", "edgepress", "benchmark", str(bundle), "--data", str(data_file), "--json"]
    command += [
        "--preset",
        "quick",
        "--backend",
        "litert",
        "--gate",
        str(gate_file),
        "--junit",
        str(tmp_path / "j.xml"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "the gate is not passed: broken-" in done.stderr.splitlines()[-1]
    gate = json.loads(done.stdout)["gate"]
    assert {check["passed"] for check in gate if check["row"].startswith("broken")} == {False}
    assert "<failure" in (tmp_path / "j.xml").read_text()


def _block_sparse_model(dataset):
    """Weights pruned in blocks of 1 x 16 and stored sparse, and the same weights stored dense."""
    tf = pytest.importorskip("tensorflow", reason="needs the toolkit extra")
    keras = pytest.importorskip("tf_keras", reason="needs the toolkit extra")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    images = dataset.x_train.reshape(-1, 784) / np.float32(255)
    weights, masks = None, (None, None)
    for _ in range(2):
        hidden = [layers.Dense(n, "relu", kernel_constraint=mask) for n, mask in zip((128, 64), masks, strict=True)]
        model = keras.Sequential([layers.Input((784,)), *hidden, layers.Dense(10)])
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        if weights:
            model.set_weights(weights)
        model.fit(images, dataset.y_train, batch_size=64, epochs=4, verbose=0)
        weights = model.get_weights()
        # The second time the weakest blocks stay zero while the rest learns to do without them.
        masks = [_Mask(_strong_blocks(weight)) for weight in weights[:4:2]]
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT, tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    sparse = converter.convert()
    return {
        "sparse-dynamic-int8.tflite": sparse,
        "float-float32.tflite": tf.lite.TFLiteConverter.from_keras_model(model).convert(),
    }


class _Mask:
    """Keeps what a mask keeps, after every step of training."""

    def __init__(self, kept):
        self._kept = kept

    def __call__(self, weight):
        return weight * self._kept


def _strong_blocks(weight):
    """1 where a 1 x 16 block along the inputs, as TFLite stores them, is among the strongest fifth; 0 elsewhere."""
    blocks = weight.T.reshape(weight.shape[1], -1, 16)
    strength = np.abs(blocks).sum(axis=2)
    kept = np.repeat(strength >= np.quantile(strength, 0.8), 16, axis=1)
    return kept.astype(np.float32).T


def test_a_bundle_that_was_changed_is_not_measured(bundle, dataset, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "bundle")
    content = bytearray((copy / "float-int8.tflite").read_bytes())
    content[-100] ^= 1
    (copy / "float-int8.tflite").write_bytes(content)
    report = benchmark(copy, dataset, backends=("litert",), preset="quick")
    assert [failure.artifact for failure in report.failed] == ["float-int8.tflite"]
    assert not all(check.passed for check in check_gate(report, GATE))
