import numpy as np
import pytest

from edgepress.export.fidelity.judge import judge, sqnr_db
from edgepress.export.samples import Samples
from edgepress.export.variants import Variant

STRICT = Variant("tflite", "int8", max_drop_points=1.0, min_sqnr_db=20)


def classifier(count=1000, wrong=0):
    """Samples, the model's outputs (all right), and an artifact's outputs of which `wrong` are not."""
    labels = np.arange(count) % 4
    reference = np.eye(4, dtype=np.float32)[labels]
    outputs = reference.copy()
    outputs[:wrong] = np.roll(outputs[:wrong], 1, axis=1)
    return Samples({"x": np.zeros((count, 1), np.float32)}, labels), {"y": reference}, {"y": outputs}


def test_a_drop_within_the_bound_passes_and_is_stated():
    samples, reference, outputs = classifier(wrong=10)
    metrics, failure = judge(STRICT, outputs, reference, samples)
    assert failure is None
    assert metrics["accuracy"] == pytest.approx(0.99)
    assert metrics["difference_points"] == pytest.approx(-1.0)
    assert metrics["agreement"] == pytest.approx(0.99)


def test_one_image_more_is_withheld():
    samples, reference, outputs = classifier(wrong=11)
    _, failure = judge(STRICT, outputs, reference, samples)
    assert failure is not None
    assert "0.9890" in failure
    assert "bound 1 points" in failure


def test_outputs_that_are_not_finite_are_withheld():
    samples, reference, outputs = classifier()
    outputs["y"][3, 2] = np.nan
    assert judge(STRICT, outputs, reference, samples)[1] == "its outputs are not finite"


def test_without_labels_noise_decides():
    random = np.random.default_rng(0)
    reference = random.normal(size=(100, 8)).astype(np.float32)
    samples = Samples({"x": reference}, None)
    quiet, loud = (reference + random.normal(0, sigma, reference.shape).astype(np.float32) for sigma in (0.01, 0.5))
    assert judge(STRICT, {"y": quiet}, {"y": reference}, samples)[1] is None
    assert "SQNR" in judge(STRICT, {"y": loud}, {"y": reference}, samples)[1]


def test_labels_tell_of_the_first_output_and_the_others_are_judged_as_numbers():
    samples, classes, answered = classifier(wrong=10)
    numbers = np.random.default_rng(0).normal(size=(1000, 8)).astype(np.float32)
    reference = {"y": classes["y"], "numbers": numbers}
    metrics, failure = judge(STRICT, {"numbers": numbers, "y": answered["y"]}, reference, samples)
    assert failure is None
    assert metrics["accuracy"] == pytest.approx(0.99)
    loud = numbers + np.float32(1)
    assert "SQNR of output numbers" in judge(STRICT, {"y": answered["y"], "numbers": loud}, reference, samples)[1]


def test_sqnr_is_in_decibels():
    signal = np.full(100, 10, np.float32)
    assert sqnr_db(signal, signal + 1) == pytest.approx(20.0)
    assert sqnr_db(signal, signal) == 200
