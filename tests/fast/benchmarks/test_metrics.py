"""Metrics against scikit-learn's definitions, worked by hand or computed beside it."""

import tracemalloc

import numpy as np
import pytest

from edgepress.benchmarks.statistics.intervals import Pairs
from edgepress.benchmarks.statistics.metrics import Answers, agreement, compare, describe, verdict


def answers(rng, truth, classes, skill):
    raw = rng.random((len(truth), classes)).astype(np.float32)
    raw[np.arange(len(truth)), truth] += skill
    return Answers(raw / raw.sum(axis=1, keepdims=True))


@pytest.fixture
def truth():
    return np.random.default_rng(3).integers(0, 10, 2_000)


def test_describe_agrees_with_scikit_learn(truth):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with mlxtend, in the toolkit extra")
    said = answers(np.random.default_rng(0), truth, 10, 0.4)
    facts = describe(said, truth)
    assert facts.accuracy == pytest.approx(metrics.accuracy_score(truth, said.labels))
    assert facts.f1 == pytest.approx(list(metrics.f1_score(truth, said.labels, average=None)))
    assert facts.precision == pytest.approx(list(metrics.precision_score(truth, said.labels, average=None)))
    assert facts.recall == pytest.approx(list(metrics.recall_score(truth, said.labels, average=None)))
    exact = said.probabilities.astype(float)
    exact /= exact.sum(axis=1, keepdims=True)
    assert facts.log_loss == pytest.approx(metrics.log_loss(truth, exact), rel=1e-5)
    assert np.array_equal(facts.confusion, metrics.confusion_matrix(truth, said.labels))
    for k in (2, 3, 5):
        expected = metrics.top_k_accuracy_score(truth, said.probabilities, k=k)
        assert facts.top_k[str(k)] == pytest.approx(expected)


def test_calibration_error_by_hand():
    # Two bins: confidence 0.9 with half right (gap 0.4), confidence 0.6 all right (gap 0.4).
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]], np.float32)
    facts = describe(Answers(probabilities), np.array([0, 1, 0, 0]))
    assert facts.expected_calibration_error == pytest.approx(0.4, abs=1e-6)


def test_certain_and_wrong_is_a_finite_loss():
    facts = describe(Answers(np.array([[1.0, 0.0]], np.float32)), np.array([1]))
    assert facts.log_loss == pytest.approx(-np.log(1e-7))


def test_a_model_compared_with_itself(truth):
    said = answers(np.random.default_rng(0), truth, 10, 0.8)
    facts = compare(said, said, truth, seed=0)
    assert facts.difference_points == 0
    assert facts.difference_interval_points == (0, 0)
    assert agreement(said, said) == 1
    assert facts.mcnemar_exact_p == 1
    assert all(f.difference == 0 for f in facts.f1_difference)


def test_a_broken_class_stands_out(truth):
    base = answers(np.random.default_rng(0), truth, 10, 2.0)
    broken = base.probabilities.copy()
    broken[:, 8] = 0
    facts = compare(Answers(broken), base, truth, seed=0)
    assert facts.difference_interval_points[1] < 0
    assert facts.f1_difference[8].interval[1] < 0
    worst = min(range(10), key=lambda i: facts.f1_difference[i].difference)
    assert worst == 8


def test_nonsense_is_no_answer(truth):
    base = answers(np.random.default_rng(0), truth, 10, 2.0)
    spoilt = base.probabilities.copy()
    spoilt[:500, 3] = np.nan
    spoilt[500:600] = np.inf
    facts = describe(Answers(spoilt), truth)
    assert facts.invalid_answers == 600
    assert facts.accuracy == np.mean((base.labels == truth)[600:]) * 0.7
    assert facts.top_k["5"] <= 0.7
    assert sum(map(sum, facts.confusion)) == 1_400
    assert np.isfinite([facts.expected_calibration_error, facts.log_loss]).all()
    compared = compare(Answers(spoilt), base, truth, seed=0)
    assert compared.difference_points == pytest.approx(100 * (facts.accuracy - np.mean(base.labels == truth)))
    assert agreement(Answers(spoilt), base) == 0.7
    assert all(entry.difference < 0 for entry in compared.f1_difference)


def test_many_classes_take_no_square_of_them():
    """20,000 classes: their square in 8 bytes would be 3.2 GB."""
    classes, rng = 20_000, np.random.default_rng(1)
    truth = rng.integers(0, classes, 200)
    said = Answers(np.zeros((200, classes), np.float32))
    said.probabilities[np.arange(200), np.where(np.arange(200) < 150, truth, (truth + 1) % classes)] = 1
    tracemalloc.start()
    scores, compared = describe(said, truth), compare(said, said, truth, seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1e9
    assert scores.accuracy == 0.75
    assert scores.confusion is None
    assert len(scores.f1) == len(compared.f1_difference) == classes


def test_verdict():
    assert verdict(Pairs(9_800, 10, 10, 180), margin_points=0.5).non_inferior
    assert verdict(Pairs(9_700, 110, 10, 180), margin_points=0.5).text == "not shown"
    # Perfect agreement on 64 images proves nothing within half a point.
    assert not verdict(Pairs(64, 0, 0, 0), margin_points=0.5).non_inferior
