"""What reports draw: curves against scikit-learn's, waveforms and cells of examples."""

import numpy as np
import pytest

from edgepress.benchmarks.measure.examples import Examples
from edgepress.benchmarks.question import Question
from edgepress.benchmarks.report.examples import _shown
from edgepress.benchmarks.report.waves import waves_of
from edgepress.benchmarks.statistics.curves import precision_recall
from edgepress.runtime.contract import Audio, Features, Signal, Tensor
from edgepress.runtime.tasks import Task


def test_precision_and_recall_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with mlxtend, in the toolkit extra")
    rng = np.random.default_rng(0)
    positive = rng.random(80) < 0.3
    # Rounded, so that there are ties.
    scores = np.round(rng.normal(0, 1, 80) + positive, 1)
    precision, recall, _ = metrics.precision_recall_curve(positive, scores)
    expected = np.column_stack([recall, precision])[:-1][::-1]
    np.testing.assert_allclose(precision_recall(scores, positive), expected, atol=1e-5)


def test_a_curve_of_many_examples_is_short_and_ends_at_the_share_of_positives():
    rng = np.random.default_rng(0)
    positive = rng.random(5_000) < 0.3
    points = precision_recall(rng.random(5_000), positive)
    assert len(points) <= 100
    assert points[-1] == pytest.approx([1.0, positive.mean()], abs=1e-5)
    assert precision_recall(np.zeros(3), np.zeros(3, bool)) == []


def test_a_spike_of_a_recording_is_seen():
    sound = np.zeros(8_000, np.float32)
    sound[4_321] = 0.5
    (wave,) = waves_of(sound, Audio(8_000, 8_000))
    assert (wave["low"], wave["high"], max(wave["heights"]), len(wave["heights"])) == (0.0, 0.5, 100, 120)
    assert wave["heights"].index(100) == pytest.approx(120 * 4_321 / 8_000, abs=2)


def test_a_signal_has_a_wave_a_channel_with_its_unit():
    window = np.column_stack([np.arange(10.0), np.full(10, 3.0)])
    first, second = waves_of(window, Signal(10, ("x", "y"), ("m/s2", "")))
    assert (first["name"], first["unit"], first["heights"][0], first["heights"][-1]) == ("x", "m/s2", 0, 100)
    assert set(second["heights"]) == {50}
    assert waves_of(window, Tensor((10, 2), "float32")) == []
    assert waves_of(np.full((10, 1), np.nan), Signal(10, ("x",))) == []


def test_a_row_of_a_table_is_shown_by_its_columns():
    contract = {"": Features(("age", "city"), categories={"city": ("Bern", "Rome")})}
    question = Question(Task("raw", ""), Examples({"": np.array([[31.0, 1.0]])}), contract=contract)
    assert _shown(question, 0)["cells"] == [["age", "31"], ["city", "Rome"]]
