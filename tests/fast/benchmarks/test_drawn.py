"""What reports draw: curves against scikit-learn's, waveforms and cells of examples."""

import json
from dataclasses import replace

import numpy as np
import pytest

from edgepress.benchmarks import parse_report, write_report
from edgepress.benchmarks.measure.examples import Examples
from edgepress.benchmarks.question import Question
from edgepress.benchmarks.report import charts
from edgepress.benchmarks.report.examples import _shown
from edgepress.benchmarks.report.task_charts import _CHARTS
from edgepress.benchmarks.report.waves import waves_of
from edgepress.benchmarks.statistics import curves as drawn
from edgepress.benchmarks.statistics.curves import CURVES, precision_recall
from edgepress.benchmarks.values import Batch, Threads
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


def test_labels_are_drawn_together_as_scikit_learn_averages_them():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with mlxtend, in the toolkit extra")
    rng = np.random.default_rng(0)
    truth = rng.random((40, 2)) < (0.2, 0.6)
    answers = np.round(rng.random((40, 2)) + 0.3 * truth, 1)
    precision, recall, _ = metrics.precision_recall_curve(truth.ravel(), answers.ravel())
    curves = CURVES["multilabel"](Task("multilabel", "probabilities", ("a", "b")), answers, truth.astype(int))
    expected = np.column_stack([recall, precision])[:-1][::-1]
    np.testing.assert_allclose(curves["micro_precision_recall"], expected, atol=1e-5)
    assert set(curves) <= set(_CHARTS)


def test_of_very_many_labels_a_curve_is_drawn_of_some_examples(monkeypatch):
    monkeypatch.setattr(drawn, "_MOST_ANSWERS", 30)
    truth = np.arange(400).reshape(40, 10) % 3 == 0
    points = drawn.micro_precision_recall(truth + 0.0, truth)
    # Three examples, the first and the last among them.
    assert points[-1][1] == pytest.approx(truth[[0, 19, 39]].mean(), abs=1e-5)


@pytest.fixture
def report(pytestconfig):
    return parse_report(json.loads((pytestconfig.rootpath / "tests/golden/report/report.json").read_text()))


def lines_of(axes):
    return [(line.get_color(), *map(list, line.get_data())) for line in axes.get_lines() if len(line.get_xdata())]


def test_threads_batches_and_backends_are_one_picture(report, monkeypatch):
    figures = []
    real = charts.draw_svg
    monkeypatch.setattr(
        charts, "draw_svg", lambda draw, *rest, **how: real(lambda f: (draw(f), figures.append(f)), *rest, **how)
    )
    swept = tuple(
        Threads(count, 10.0 / count, 2e5 * count, (Batch(8, 1.5e5 * count), Batch(256, 2e5 * count)))
        for count in (1, 2)
    )
    first, second, third = (replace(row, threads_sweep=swept) for row in report.rows)
    svg = charts.sweep_chart([first, replace(second, backend="openvino"), third], "images")
    assert svg.startswith("<svg")
    panels = figures[0].get_axes()
    assert [axes.get_title() for axes in panels] == ["1 thread", "2 threads"]
    for count, axes in enumerate(panels, 1):
        lines = lines_of(axes)
        assert [line[1:] for line in lines] == [([1, 8, 256], [1e5 * count, 1.5e5 * count, 2e5 * count])] * 3
        assert len({colour for colour, *_ in lines}) == 3
        # Three lines end in one place.
        assert [text.get_text() for text in axes.texts] == ["1, 2, 3"]
    assert [text.get_text() for text in figures[0].legends[0].get_texts()] == ["litert", "openvino", "onnxruntime"]


def test_reports_without_a_sweep_and_of_before_have_the_picture_too(report, tmp_path):
    (old,) = {len(row.threads_sweep) for row in report.rows}
    assert old == 2
    assert charts._swept(report.rows[0])[2] == [(1, 1e6 / 3.024), (256, report.rows[0].threads_sweep[1].images_per_s)]
    plain = replace(report, rows=tuple(replace(row, threads_sweep=()) for row in report.rows))
    assert list(charts._swept(plain.rows[0])) == [1]
    assert [size for size, _ in charts._swept(plain.rows[0])[1]] == [1, 8, 256]
    write_report(plain, tmp_path)
    assert (
        "Threads, batches and backends: images a second against images a call" in (tmp_path / "report.html").read_text()
    )
    assert "1 thread" in (tmp_path / "sweep.svg").read_text()


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
