"""Backends are judged against the float model, each delegate setting by itself."""

from dataclasses import dataclass

import numpy as np
import pytest

from edgepress.export import Samples
from edgepress.export.fidelity import admit
from edgepress.export.fidelity.admit import Standard, verify
from edgepress.export.variants import parse_variants
from edgepress.runtime import Artifact, Contract, Manifest, Task, TensorSpec
from edgepress.runtime.backends import BACKENDS
from edgepress.runtime.conformance import matrix as matrix_module
from edgepress.runtime.conformance.golden import Vectors
from edgepress.runtime.conformance.matrix import default_tolerance
from edgepress.runtime.conformance.trial import Answer
from edgepress.runtime.contract import Tensor

COUNT = 400
CLASSES = 4
FLOAT = (TensorSpec("y", (-1, CLASSES), "float32"),)
INTEGER = (TensorSpec("y", (-1, CLASSES), "int8", 0.01, 0),)


@dataclass
class Bench:
    """Answers by setting, in place of processes."""

    folder: object
    reference: np.ndarray
    answers: dict
    refused: dict

    def verify(self, variant, outputs=FLOAT, operators=()):
        inputs = {"x": np.zeros((COUNT, 2), np.float32)}
        spec = (TensorSpec("x", (-1, 2), "float32"),)
        (self.folder / f"m-{variant}.tflite").write_bytes(b"")
        artifact = Artifact(
            f"m-{variant}.tflite", "m", "tflite", variant, "", 0, spec, outputs, operators=dict.fromkeys(operators, 1)
        )
        task = Task("multiclass", "probabilities", tuple(map(str, range(CLASSES))))
        manifest = Manifest("m", Contract({"x": Tensor((2,))}), task, (artifact,), "m")
        labels = self.reference.argmax(1)
        standard = Standard({"y": self.reference}, Samples(inputs, labels), task)
        vectors = Vectors(None, labels, inputs=inputs)
        return verify(self.folder, manifest, vectors, {"m": standard}, parse_variants([variant]), golden=8)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    reference = np.eye(CLASSES, dtype=np.float32)[np.arange(COUNT) % CLASSES] * np.float32(0.9)
    reference += random.normal(0, 0.01, reference.shape).astype(np.float32)
    bench = Bench(tmp_path, reference, {}, {})

    def answer(folder, files, feed, *, backend, delegate):
        setting = backend, delegate
        if setting in bench.refused:
            return {file: Answer(refused=bench.refused[setting]) for file in files}
        return {file: Answer(bench.answers.get(setting, bench.answers[None])) for file in files}

    monkeypatch.setattr(matrix_module, "run_trial", answer)
    monkeypatch.setattr(
        admit,
        "reference_answers",
        lambda folder, feed: {"": {each.name: Answer(bench.answers[None]) for each in folder.glob("*.tflite")}},
    )
    bench.answers[None] = reference.copy()
    return bench


def test_a_difference_between_backends_that_costs_nothing_is_no_fault(bench):
    """0.0118, where 0.01 was allowed; it becomes the tolerance, with a margin."""
    bench.answers["numpy", False] = bench.reference.copy()
    bench.answers["numpy", False][7, 0] += 0.0118
    manifest, matrix = bench.verify("dynamic-int8")
    assert matrix.refused == {}
    tolerance = manifest.artifacts[0].tolerance
    assert tolerance["numpy"] == pytest.approx(2 * 0.0118, rel=1e-3)
    assert tolerance["litert"] == pytest.approx(0.01)
    (cell,) = (cell for cell in matrix.cells if cell.backend == "numpy")
    assert cell.tolerance == tolerance["numpy"]


def test_a_setting_that_breaks_the_bound_withholds_the_file(bench):
    bench.answers["litert", True] = np.roll(bench.reference, 1, axis=1)
    manifest, matrix = bench.verify("dynamic-int8")
    assert manifest.artifacts == ()
    assert matrix.refused["m-dynamic-int8.tflite"].startswith(
        "litert+delegate: accuracy 0.0000 against the model's 1.0"
    )
    assert not (bench.folder / "m-dynamic-int8.tflite").exists()


def test_integers_without_a_delegate_stay_exact(bench):
    bench.answers[None] = np.rint(bench.reference * 100).astype(np.int8)
    bench.answers["litert", True] = bench.answers[None] + np.int8(3)
    manifest, matrix = bench.verify("int8", INTEGER)
    assert matrix.refused == {}
    assert manifest.artifacts[0].tolerance["litert"] == 0
    assert manifest.artifacts[0].tolerance["litert+delegate"] == 16
    bench.answers["numpy", False] = bench.answers[None] + np.int8(1)
    _, matrix = bench.verify("int8", INTEGER)
    assert matrix.refused == {"m-int8.tflite": "numpy: is off by 1 quanta, 0 are allowed"}


def test_integers_that_a_runtime_rounds_otherwise_cost_nothing_or_are_withheld(bench, monkeypatch):
    """tflite-runtime's depthwise convolutions; there, and on a device that is not here."""
    bench.answers[None] = np.rint(bench.reference * 100).astype(np.int8)
    kinds = ["DEPTHWISE_CONV_2D"]
    monkeypatch.setattr(matrix_module, "trial_backends", lambda names: (BACKENDS["litert"],))
    manifest, _ = bench.verify("int8", INTEGER, kinds)
    artifact, old = manifest.artifacts[0], BACKENDS["tflite-runtime"]
    assert artifact.tolerance == pytest.approx({**artifact.tolerance, "litert": 0, "tflite-runtime": 16})
    assert default_tolerance(artifact, old, False, bench.answers[None]) == 16
    assert default_tolerance(artifact._replace(operators={}), old, False, bench.answers[None]) == 0
    monkeypatch.setattr(matrix_module, "trial_backends", lambda names: (BACKENDS["litert"], old))
    bench.answers["tflite-runtime", False] = bench.answers[None] + np.int8(3)
    manifest, matrix = bench.verify("int8", INTEGER, kinds)
    assert (matrix.refused, manifest.artifacts[0].tolerance["tflite-runtime"]) == ({}, 6)
    assert bench.verify("int8", INTEGER)[1].refused == {
        "m-int8.tflite": "tflite-runtime: is off by 3 quanta, 0 are allowed"
    }
    bench.answers["tflite-runtime", False] = np.roll(bench.answers[None], 1, axis=1)
    assert "tflite-runtime: accuracy" in bench.verify("int8", INTEGER, kinds)[1].refused["m-int8.tflite"]


def test_what_litert_does_not_load_as_people_load_it_is_withheld(bench):
    bench.refused["litert", True] = "LiteRT: failed to prepare node 3"
    _, matrix = bench.verify("float32")
    assert matrix.refused == {"m-float32.tflite": "litert+delegate: LiteRT: failed to prepare node 3"}


def test_what_another_backend_does_not_know_is_no_fault(bench):
    bench.refused["numpy", False] = "numpy knows no GELU"
    manifest, matrix = bench.verify("float32")
    assert matrix.refused == {}
    assert len(manifest.artifacts) == 1


@pytest.mark.parametrize(
    ("weights", "operators", "expected"),
    [
        ({"float32": 1.0}, {"FULLY_CONNECTED": 1}, 1e-5),
        ({"float16": 1.0}, {"DEQUANTIZE": 3}, 1e-5),
        ({"int8": 0.9, "float32": 0.1}, {"FULLY_CONNECTED": 3}, 0.01),
        ({"int4": 1.0}, {"com.microsoft.MatMulNBits": 1}, 0.01),
        ({"uint8": 1.0}, {"DynamicQuantizeLinear": 11, "MatMulInteger": 10}, 0.01),
        ({"uint8": 1.0}, {"QuantizeLinear": 13, "DequantizeLinear": 13}, 1e-5),
        ({"int8": 1.0}, {"QUANTIZE": 1, "FULLY_CONNECTED": 4}, 1e-5),
    ],
)
def test_without_a_stated_tolerance_what_the_file_holds_decides(weights, operators, expected):
    """And not what its variant is called."""
    artifact = Artifact("m", "m", "tflite", "anything", "", 0, (), FLOAT, weights=weights, operators=operators)
    assert default_tolerance(artifact, BACKENDS["litert"], False, np.ones(3, np.float32)) == expected
