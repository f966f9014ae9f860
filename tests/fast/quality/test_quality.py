"""Metrics against scikit-learn's, trivial answers, and paired intervals."""

import math

import numpy as np
import pytest

from edgepress.benchmarks.statistics.margins import judge_difference, margin_of
from edgepress.quality import QUALITY, bootstrap, paired_interval, quality_of
from edgepress.runtime import InputError
from edgepress.runtime.tasks import TASKS, Task

sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is what the metrics are compared with")
N = 400


def made(kind):
    """Task, targets, and outputs that are right more often than not."""
    rng = np.random.default_rng(7)
    if kind == "multiclass":
        targets = rng.integers(0, 5, N)
        outputs = rng.normal(size=(N, 5)) + 2 * np.eye(5)[targets]
        return Task(kind, "logits", tuple("abcde")), targets, outputs
    if kind == "binary":
        targets = rng.integers(0, 2, N)
        return Task(kind, "logits", ("no", "yes")), targets, (rng.normal(size=N) + 2 * targets - 1)[:, None]
    if kind == "multilabel":
        targets = rng.integers(0, 2, (N, 4))
        return Task(kind, "logits", tuple("abcd")), targets, rng.normal(size=(N, 4)) + 2 * targets - 1
    if kind == "regression":
        targets = 400 + 9 * rng.normal(size=(N, 2))
        return Task(kind, "values", ("u", "v")), targets, targets + rng.normal(size=(N, 2))
    targets = rng.integers(0, 2, N)
    inputs = rng.normal(size=(N, 6))
    return Task(kind, "reconstruction"), targets, inputs + (0.2 + 0.5 * targets[:, None]) * rng.normal(size=(N, 6))


def answers_of(kind):
    task, targets, outputs = made(kind)
    inputs = np.random.default_rng(7).normal(size=(N, 6)) if kind == "anomaly" else None
    if kind == "anomaly":
        rng = np.random.default_rng(7)
        rng.integers(0, 2, N)
        inputs = rng.normal(size=(N, 6))
    return QUALITY[kind].answers(task, inputs, outputs), targets


@pytest.mark.parametrize("kind", QUALITY)
def test_a_drop_is_told_in_the_unit_in_which_benchmarks_judge_it(kind):
    """Points of a share; of an error percent of the trivial answer's, which is what a verdict's lower end is."""
    task, targets, outputs = made(kind)
    rng = np.random.default_rng(7)
    rng.integers(0, 2, N)
    inputs = rng.normal(size=(N, 6))
    standing = QUALITY[kind].standing(task, inputs, outputs, targets, targets)
    metric = standing.metric
    assert metric is QUALITY[kind].metric
    assert standing.value == pytest.approx(metric.of(QUALITY[kind].answers(task, inputs, outputs), targets))
    worse = standing.value + (-0.01 if metric.higher else 0.01)
    assert standing.drop(worse) == pytest.approx(1.0 if metric.unit == "points" else 1.0 / standing.trivial)
    assert standing.drop(standing.value) == 0
    assert standing.drop(2 * standing.value - worse) == pytest.approx(-standing.drop(worse))
    difference = (worse - standing.value) * metric.scale
    # So many examples that what was never seen adds nothing.
    verdict = judge_difference(metric, (difference, difference), standing.trivial, 10**9, margin_of(metric, None))
    assert verdict.lower == pytest.approx(-standing.drop(worse))


@pytest.mark.parametrize("targets", [None, np.zeros(N, int)])
def test_where_all_is_normal_what_is_not_reconstructed_counts(targets):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(N, 2, 3))
    task, outputs = Task("anomaly", "reconstruction"), 0.9 * inputs
    standing = QUALITY["anomaly"].standing(task, inputs, outputs, targets, targets)
    assert (standing.metric.name, standing.metric.better, standing.trivial) == ("error_left", "lower", 1.0)
    assert standing.value == pytest.approx(0.01, rel=0.1)
    assert standing.drop(standing.value + 0.02) == pytest.approx(2.0)
    assert standing.metric.of(np.broadcast_to(inputs.mean(axis=0), inputs.shape), inputs) == pytest.approx(1)


def test_a_task_that_asks_for_right_answers_says_so_where_there_are_none():
    task, _, outputs = made("regression")
    with pytest.raises(InputError, match="no right answers, and mae is measured by them"):
        QUALITY["regression"].standing(task, outputs, outputs, None, None)


def test_every_task_with_targets_has_a_row():
    assert set(QUALITY) == {kind for kind, task in TASKS.items() if task.judged}
    assert quality_of(Task("raw", "raw")) is None


def test_classes_are_measured_as_scikit_learn_does():
    answers, targets = answers_of("multiclass")
    assert QUALITY["multiclass"].measure(answers, targets) == pytest.approx(
        {"accuracy": sklearn.accuracy_score(targets, answers.argmax(1))}
    )
    answers, targets = answers_of("binary")
    found = QUALITY["binary"].measure(answers, targets)
    assert found["roc_auc"] == pytest.approx(sklearn.roc_auc_score(targets, answers[:, 1]))
    assert QUALITY["binary"].proper.of(answers, targets) == pytest.approx(
        sklearn.log_loss(targets, answers / answers.sum(1, keepdims=True, dtype=float)), rel=1e-4
    )


def test_sets_of_labels_are_measured_as_scikit_learn_does():
    answers, targets = answers_of("multilabel")
    said = answers >= 0.5
    found = QUALITY["multilabel"].measure(answers, targets)
    assert found["macro_f1"] == pytest.approx(sklearn.f1_score(targets, said, average="macro"))
    assert found["exact_match"] == pytest.approx(sklearn.accuracy_score(targets, said))


def test_numbers_are_measured_as_scikit_learn_does():
    answers, targets = answers_of("regression")
    found = QUALITY["regression"].measure(answers, targets)
    assert found["mae"] == pytest.approx(sklearn.mean_absolute_error(targets, answers), rel=1e-5)
    assert found["r2"] == pytest.approx(sklearn.r2_score(targets, answers), rel=1e-4)
    rmse = np.sqrt(sklearn.mean_squared_error(targets, answers, multioutput="raw_values")).mean()
    assert found["rmse"] == pytest.approx(rmse, rel=1e-5)


def test_anomalies_are_measured_as_scikit_learn_does():
    answers, targets = answers_of("anomaly")
    assert QUALITY["anomaly"].measure(answers, targets)["roc_auc"] == pytest.approx(
        sklearn.roc_auc_score(targets, answers)
    )


def test_weights_count_examples_as_often_as_they_say():
    rng = np.random.default_rng(0)
    for kind, quality in QUALITY.items():
        answers, targets = answers_of(kind)
        times = rng.integers(0, 3, N)
        for metric in quality.metrics:
            repeated = metric.of(np.repeat(answers, times, 0), np.repeat(targets, times, 0))
            assert metric.value(answers, targets, times.astype(float)) == pytest.approx(repeated), (kind, metric.name)


@pytest.mark.parametrize("kind", QUALITY)
def test_a_model_that_knows_something_beats_the_trivial_answer_and_noise_does_not(kind):
    answers, targets = answers_of(kind)
    trivial, better = QUALITY[kind].beats_trivial(answers, targets, targets)
    assert better
    noise = np.random.default_rng(3).permutation(answers)
    assert not QUALITY[kind].beats_trivial(noise, targets, targets)[1]
    assert trivial != QUALITY[kind].metric.of(answers, targets)


def test_an_answer_that_is_no_number_is_wrong():
    answers, targets = answers_of("multiclass")
    answers = np.full_like(answers, np.nan)
    assert QUALITY["multiclass"].metric.of(answers, targets) == 0.0


def test_the_same_model_twice_differs_by_nothing():
    for kind, quality in QUALITY.items():
        answers, targets = answers_of(kind)
        assert bootstrap(quality.metric, answers, answers, targets, seed=0, draws=50) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_intervals_cover_the_true_difference(kind):
    """Of 200 simulated experiments 95 % by promise; fewer than 88 % would be no chance (p < 1e-4)."""
    rng = np.random.default_rng(0)
    metric, covered = QUALITY[kind].metric, 0
    for _ in range(200):
        if kind == "multiclass":
            # Right with probability 0.9 and 0.8, each by itself.
            targets = rng.integers(0, 3, 150)
            ours, theirs = (np.eye(3)[np.where(rng.random(150) < p, targets, (targets + 1) % 3)] for p in (0.9, 0.8))
            truth = 10.0
        else:
            targets = rng.normal(size=(150, 1))
            ours, theirs = (targets + s * rng.normal(size=(150, 1)) for s in (1.0, 1.5))
            truth = -0.5 * np.sqrt(2 / np.pi)
        _, low, high = bootstrap(metric, ours, theirs, targets, seed=1, draws=200)
        covered += low <= truth <= high
    assert covered >= 176


def test_areas_that_a_few_pairs_tell_apart_are_held_as_often_as_promised():
    """Two detectors that are alike but for noise: the bootstrap's interval, a quarter too wide, holds 99 %."""
    rng, metric = np.random.default_rng(0), QUALITY["anomaly"].metric
    covered, widths, wide = 0, [], []
    for number in range(300):
        targets = (rng.random(300) < 0.3).astype(np.int64)
        theirs = rng.normal(size=300) + 1.5 * targets
        ours = theirs + 0.1 * rng.normal(size=300)
        # The noise lowers the area by so much: its share in a deviation of sqrt(1 + 0.1^2).
        truth = 100 * (_above(1.5 / np.sqrt(2.02)) - _above(1.5 / np.sqrt(2)))
        _, low, high = paired_interval(metric, ours, theirs, targets, seed=number)
        covered += low <= truth <= high
        widths.append(high - low)
        if number < 10:
            _, low, high = bootstrap(metric, ours, theirs, targets, seed=number, draws=200)
            wide.append(high - low)
    assert 0.92 * 300 <= covered <= 0.98 * 300
    assert np.mean(wide) > 1.05 * np.mean(widths)


def test_few_examples_of_a_side_are_drawn_again():
    targets = np.repeat([0, 1], [30, 5])
    scores = np.random.default_rng(0).normal(size=35)
    metric = QUALITY["anomaly"].metric
    given = paired_interval(metric, scores, scores[::-1], targets, seed=3)
    assert given == bootstrap(metric, scores, scores[::-1], targets, seed=3)


def _above(z):
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))
