import numpy as np
import pytest

from edgepress.export.fidelity.judge import judge, sqnr_db
from edgepress.export.samples import Samples
from edgepress.export.variants import Variant
from edgepress.runtime import Task

STRICT = Variant("tflite", "int8", "", max_difference_points=1.0, min_sqnr_db=20)
THREE_TENTHS = Variant("tflite", "int8", "", max_difference_points=0.3, min_sqnr_db=20)
CLASSIFIER = Task("multiclass", "probabilities", ("a", "b", "c", "d"))
RAW = Task("raw", "raw")


def classifier(count=1000, wrong=0):
    """Samples, the model's outputs (all right), and an artifact's outputs of which `wrong` are not."""
    labels = np.arange(count) % 4
    reference = np.eye(4, dtype=np.float32)[labels]
    outputs = reference.copy()
    outputs[:wrong] = np.roll(outputs[:wrong], 1, axis=1)
    return Samples({"x": np.zeros((count, 1), np.float32)}, labels), {"y": reference}, {"y": outputs}


def test_a_drop_within_the_bound_passes_and_is_stated():
    samples, reference, outputs = classifier(wrong=10)
    metrics, failure = judge(STRICT, CLASSIFIER, outputs, reference, samples)
    assert failure is None
    assert metrics["accuracy"] == pytest.approx(0.99)
    assert metrics["difference_points"] == pytest.approx(-1.0)
    assert metrics["agreement"] == pytest.approx(0.99)


def test_one_image_more_is_withheld():
    samples, reference, outputs = classifier(wrong=11)
    _, failure = judge(STRICT, CLASSIFIER, outputs, reference, samples)
    assert failure is not None
    assert "0.9890" in failure
    assert "bound 1 points" in failure


def test_outputs_that_are_not_finite_are_withheld():
    samples, reference, outputs = classifier()
    outputs["y"][3, 2] = np.nan
    assert judge(STRICT, CLASSIFIER, outputs, reference, samples)[1] == "its outputs are not finite"


def test_without_labels_noise_decides():
    random = np.random.default_rng(0)
    reference = random.normal(size=(100, 8)).astype(np.float32)
    samples = Samples({"x": reference}, None)
    quiet, loud = (reference + random.normal(0, sigma, reference.shape).astype(np.float32) for sigma in (0.01, 0.5))
    assert judge(STRICT, CLASSIFIER, {"y": quiet}, {"y": reference}, samples)[1] is None
    assert "SQNR" in judge(STRICT, CLASSIFIER, {"y": loud}, {"y": reference}, samples)[1]


def test_labels_tell_of_the_first_output_and_the_others_are_judged_as_numbers():
    samples, classes, answered = classifier(wrong=10)
    numbers = np.random.default_rng(0).normal(size=(1000, 8)).astype(np.float32)
    reference = {"y": classes["y"], "numbers": numbers}
    metrics, failure = judge(STRICT, CLASSIFIER, {"numbers": numbers, "y": answered["y"]}, reference, samples)
    assert failure is None
    assert metrics["accuracy"] == pytest.approx(0.99)
    loud = numbers + np.float32(1)
    assert (
        "SQNR of output numbers"
        in judge(STRICT, CLASSIFIER, {"y": answered["y"], "numbers": loud}, reference, samples)[1]
    )


def test_sqnr_is_in_decibels():
    signal = np.full(100, 10, np.float32)
    assert sqnr_db(signal, signal + 1) == pytest.approx(20.0)
    assert sqnr_db(signal, signal) == 200


def test_more_right_answers_than_the_model_gives_are_no_proof_of_it():
    """The artifact answers as the labels say where the model does not: another model, and withheld like a worse one."""
    samples, right, wrong = classifier(wrong=11)
    metrics, failure = judge(STRICT, CLASSIFIER, right, wrong, samples)
    assert metrics["difference_points"] == pytest.approx(1.1)
    assert "accuracy 1.0000 against the model's 0.9890 on 1000 held-back examples, 11 answers changed" in failure
    samples, right, wrong = classifier(wrong=10)
    assert judge(STRICT, CLASSIFIER, right, wrong, samples)[1] is None


def test_changes_that_balance_are_seen():
    """Of 1,000 answers 40 are other ones, as many gained as lost: the accuracy is the same, the model is not."""
    samples, reference, outputs = classifier(wrong=20)
    reference["y"][20:40] = np.roll(reference["y"][20:40], 1, axis=1)
    metrics, failure = judge(STRICT, CLASSIFIER, outputs, reference, samples)
    assert metrics["difference_points"] == 0
    assert metrics["agreement"] == pytest.approx(0.96)
    assert "40 answers changed, 40 of them where the model was decided" in failure
    assert "\n" not in failure


def test_near_ties_of_an_untrained_model_may_turn():
    """As the noise that the bound allows turns them; noise far above it does not pass."""
    random = np.random.default_rng(0)
    reference = random.normal(0, 0.05, (2000, 4)).astype(np.float32) + np.float32([0.3, 0.2, 0.1, 0])
    samples = Samples({"x": reference}, np.repeat(-1, 2000))
    within, beyond = (
        {"y": reference + random.normal(0, 0.05 * 10 ** (-decibels / 20), reference.shape).astype(np.float32)}
        for decibels in (20, 0)
    )
    metrics, failure = judge(STRICT, CLASSIFIER, within, {"y": reference}, samples)
    assert failure is None
    assert metrics["agreement"] < 0.99
    assert "where the model was decided" in judge(STRICT, CLASSIFIER, beyond, {"y": reference}, samples)[1]


def test_an_answer_that_never_changes_is_not_an_untrained_models():
    random = np.random.default_rng(0)
    reference = random.normal(0, 0.001, (500, 4)).astype(np.float32)
    samples = Samples({"x": reference}, np.repeat(-1, 500))
    constant = np.broadcast_to(reference.mean(axis=0), reference.shape)
    assert judge(STRICT, CLASSIFIER, {"y": constant}, {"y": reference}, samples)[1]


def test_a_few_near_ties_that_were_gained_tell_nothing():
    """2 gained and none lost of 500, as a small network's int8 file did; 12 of them are no chance any more."""
    labels = np.arange(500) % 4
    for gained, withheld in ((2, False), (12, True)):
        reference = np.eye(4, dtype=np.float32)[labels]
        outputs = reference.copy()
        rows = np.arange(gained)
        reference[rows, (labels[:gained] + 1) % 4] = 1.01
        reason = judge(THREE_TENTHS, CLASSIFIER, {"y": outputs}, {"y": reference}, Samples({"x": reference}, labels))[1]
        assert (reason is not None) is withheld


def test_an_anomaly_detector_is_judged_by_its_scores():
    """Noise in each of many reconstructed numbers is nothing in their mean square; another score is."""
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 640)).astype(np.float32) * random.uniform(1, 10, (200, 1)).astype(np.float32)
    rebuilt = {"y": np.zeros_like(x)}
    noisy = {"y": random.normal(0, 0.1, x.shape).astype(np.float32)}
    task, samples = Task("anomaly", "reconstruction"), Samples({"x": x}, None)
    metrics, failure = judge(STRICT, task, noisy, rebuilt, samples)
    assert failure is None
    # Nothing is reconstructed: all of the mean square is left, which is a little more than the variance.
    assert metrics["error_left"] == pytest.approx(1, abs=0.02)
    assert metrics["sqnr_db"] > 30
    assert "SQNR" in judge(STRICT, task, {"y": x / 2}, rebuilt, samples)[1]
