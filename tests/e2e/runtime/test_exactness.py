"""What the backends promise each other, on 10,000 digits and 10,000 random pictures."""

import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from edgepress.runtime.conformance.golden import write_selftest
from edgepress.runtime.conformance.matrix import conformance
from edgepress.runtime.conformance.trial import run_trial

needs_tflite_runtime = pytest.mark.skipif(
    not Path(os.environ.get("EDGEPRESS_TFLITE_RUNTIME_PYTHON", "/nowhere")).is_file(),
    reason="EDGEPRESS_TFLITE_RUNTIME_PYTHON names no interpreter: scripts/setup makes one",
)


@pytest.fixture(scope="module")
def pictures(many_digits):
    random = np.random.default_rng(0).integers(0, 256, (10_000, 28, 28), np.uint8)
    return np.concatenate([many_digits, random])


def outputs(bundle, file, images, backend, delegate=False):
    return run_trial(bundle, [file], images, backend=backend, delegate=delegate)[file].output


@needs_tflite_runtime
def test_int8_is_bit_equal_without_delegates(bundle, pictures):
    answers = {
        name: outputs(bundle, "digits-int8.tflite", pictures, name) for name in ("litert", "tflite-runtime", "numpy")
    }
    assert answers["litert"].dtype == np.int8
    for (one, a), (two, b) in combinations(answers.items(), 2):
        assert np.array_equal(a, b), f"{one} and {two} differ in {np.sum((a != b).any(axis=1))} rows"


@needs_tflite_runtime
@pytest.mark.parametrize("variant", ["float32", "float16", "dynamic-int8", "int8"])
def test_backends_agree(bundle, pictures, many_digits, variant):
    """float32 within 1e-5 of the largest logit; labels of real digits on at least 99.9 % between any two."""
    file = f"digits-{variant}.tflite"
    settings = [
        ("litert", False),
        ("litert", True),
        ("tflite-runtime", False),
        ("tflite-runtime", True),
        ("openvino", False),
        ("numpy", False),
    ]
    answers = {setting: outputs(bundle, file, pictures, *setting) for setting in settings}
    for (one, a), (two, b) in combinations(answers.items(), 2):
        labels = [x[: len(many_digits)].argmax(axis=1) for x in (a, b)]
        assert np.mean(labels[0] == labels[1]) >= 0.999, f"{one} and {two}"
        if variant.startswith("float"):
            assert np.abs(a - b).max() <= 1e-5 * np.abs(a).max(), f"{one} and {two}"


def test_onnx_float32_agrees_with_tflite(bundle, pictures):
    a = outputs(bundle, "digits-float32.onnx", pictures, "onnxruntime")
    b = outputs(bundle, "digits-float32.tflite", pictures, "litert")
    assert np.abs(a - b).max() <= 1e-5 * np.abs(a).max()


def test_batches_and_single_pictures_are_bit_equal(bundle, many_digits):
    from edgepress.runtime import load

    with load(bundle, delegate=False, backend="litert") as model:
        whole = model.raw_outputs(many_digits[:2000])
        assert all(
            np.array_equal(model.raw_outputs(image)[0], row)
            for image, row in zip(many_digits[:2000], whole, strict=True)
        )


@needs_tflite_runtime
def test_a_file_that_two_runtimes_compute_differently_is_refused_by_name(bundle_of, digits):
    """Sparse rows of 12 inputs: chance in LiteRT, and another chance in tflite-runtime."""
    folder = bundle_of("pruned-sparse.tflite", "digits-int8.tflite")
    vectors = write_selftest(folder, digits[0][:64], digits[1][:64])
    matrix = conformance(folder, vectors=vectors, backends=["litert", "tflite-runtime"])
    assert list(matrix.refused) == ["pruned-sparse.tflite"]
    assert matrix.refused["pruned-sparse.tflite"].startswith("tflite-runtime")
    assert all(c.status == "pass" for c in matrix.cells if c.artifact == "digits-int8.tflite")
