"""The benchmark of every task and kind of input, on models of one layer in real processes."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from bundles import write_bundle
from click.testing import CliRunner
from dense_models import dense

import edgepress.benchmarks
from edgepress.benchmarks import benchmark, parse_report, report_to_dict, write_report
from edgepress.benchmarks.gate import Gate, check_baseline, check_gate
from edgepress.benchmarks.measure.speed import PACES, Pace
from edgepress.benchmarks.report.ship import choose_row, say_what_to_ship
from edgepress.benchmarks.report.table import cells, headings, to_csv, to_markdown, to_text
from edgepress.cli import main
from edgepress.data import dataset_of_arrays
from edgepress.runtime import InputError
from edgepress.runtime.conformance.golden import SELFTEST_NAME, Vectors, reference_outputs
from edgepress.runtime.contract import Contract, Features, Signal, Tensor
from edgepress.runtime.tasks import Task

SCHEMA = json.loads(Path(edgepress.benchmarks.__file__).with_name("report").joinpath("report.schema.json").read_text())
RNG = np.random.default_rng(5)
ROWS = RNG.normal(0, 1, (1_500, 4)).astype(np.float32)
COLUMNS = Features(("a", "b", "c", "d"))
PLANE = np.array([[1.0, -2.0, 0.5, 0.0]], np.float32)


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setitem(PACES, "quick", Pace(2, 1, 500, (4, 256), thorough=False))


def parts(x, y, **options):
    """500 examples to fit, the rest to test."""
    return dataset_of_arrays("table", (x[:500], y[:500]), (x[500:], y[500:]), **options)


def bundle_of(folder, kernel, task, contract=COLUMNS, *, spoilt=None, **options):
    """The model as float32, and as int8 a copy of it or what `spoilt` says."""
    content = {"net-float32.tflite": dense(kernel, **options)}
    content["net-int8.tflite"] = dense(kernel if spoilt is None else spoilt, **options)
    folder.mkdir(exist_ok=True)
    contracts = contract if isinstance(contract, dict) else {"x": contract}
    return write_bundle(folder / "bundle", content, model="float", task=task, contract=Contract(contracts))


def measured(bundle, data, **options):
    report = benchmark(bundle, data, preset="quick", **options)
    jsonschema.validate(json.loads(json.dumps(report_to_dict(report), allow_nan=False)), SCHEMA)
    assert parse_report(json.loads(json.dumps(report_to_dict(report)))) == report
    assert not report.failed
    return report


def written(report, folder):
    write_report(report, folder)
    return (folder / "report.html").read_text()


BINARY = Task("binary", "probabilities", ("no", "yes"))
NUMBER = Task("regression", "values", ("price",), ("EUR",))


def binary_data():
    noise = np.random.default_rng(9).normal(0, 0.5, len(ROWS))
    return parts(ROWS, (ROWS @ PLANE[0] + noise > 0).astype(np.int64), names=("no", "yes"))


def test_binary(tmp_path):
    report = measured(bundle_of(tmp_path, PLANE, BINARY, logistic=True), binary_data())
    row, data = report.rows[1], binary_data()
    assert row.metric.name == "accuracy"
    assert row.metric.value == row.accuracy > 0.8
    truth = np.bincount(data.y_test)
    assert row.metric.trivial == truth[np.bincount(data.y_train).argmax()] / truth.sum()
    assert row.metrics["roc_auc"] > 0.9
    assert row.curves["roc"][-1] == [1, 1]
    assert row.verdict.non_inferior
    page = written(report, tmp_path / "report")
    assert "ROC curve" in page
    assert (tmp_path / "report" / "confusion-chosen.svg").exists()
    # Rows of a table stand for themselves, where pictures would be shown.
    shown = report.images[str(row.mistakes[0].image)]
    assert shown["text"].startswith("a ")
    assert all(f"<th>{name}</th><td>{value}</td>" in page for name, value in shown["cells"])


def test_regression(tmp_path):
    y = (ROWS @ PLANE[0] + RNG.normal(0, 0.1, len(ROWS))).astype(np.float32)[:, None]
    data = parts(ROWS, y, names=("price",))
    spoilt = PLANE + np.array([[0.5, 0, 0, 0]])
    report = measured(bundle_of(tmp_path, PLANE, NUMBER, spoilt=spoilt), data)
    base, row = report.rows
    said = data.x_test @ PLANE.T
    assert base.metric.value == pytest.approx(np.abs(said - data.y_test).mean(), rel=1e-4)
    assert (row.metric.better, row.metric.unit) == ("lower", "EUR")
    assert row.metric.difference == pytest.approx(row.metric.value - base.metric.value)
    low, high = row.metric.difference_interval
    assert 0 < low < row.metric.difference < high
    assert row.metric.trivial == pytest.approx(np.abs(data.y_test - data.y_train.mean()).mean(), rel=1e-4)
    assert not row.verdict.non_inferior
    assert row.verdict.unit == "% of the trivial answer's error"
    assert row.verdict.lower == pytest.approx(-100 * high / row.metric.trivial)
    assert row.agreement is None
    assert {"rmse", "r2", "sqnr_db"} <= set(row.metrics)
    assert report.margin == 1.0
    assert report.margin_points is None
    assert "mae EUR" in headings(report)
    assert f"{row.metric.value:.4g}" in cells(report)[1]
    assert "no file is shown to be within 1 % of the trivial answer's error" in say_what_to_ship(report)
    page = written(report, tmp_path / "report")
    assert "answer - truth" in page
    assert "confusion" not in page.lower()
    assert row.told[0].example == int(np.abs(data.x_test[:, 0]).argmax())
    for text in (to_text(report), to_markdown(report), to_csv(report)):
        assert "net-int8.tflite" in text
    generous = measured(bundle_of(tmp_path / "again", PLANE, NUMBER, spoilt=spoilt), data, margin=60)
    assert choose_row(generous).verdict.non_inferior


def test_multilabel(tmp_path):
    rng = np.random.default_rng(2)
    kernel = rng.normal(0, 3, (3, 4)).astype(np.float32)
    y = (ROWS @ kernel.T + rng.normal(0, 1, (len(ROWS), 3)) > 0).astype(np.int64)
    task = Task("multilabel", "probabilities", ("red", "green", "blue"))
    spoilt = kernel.copy()
    spoilt[1] = 0
    data = parts(ROWS, y, names=task.labels)
    report = measured(bundle_of(tmp_path, kernel, task, spoilt=spoilt, logistic=True), data)
    base, row = report.rows
    assert base.metric.name == "macro_f1"
    assert base.metric.unit == "points"
    assert base.metric.value == pytest.approx(np.mean(base.curves["label_f1"]))
    assert row.metric.difference < 0
    assert not row.verdict.non_inferior
    assert row.agreement < 1
    assert "green" in row.told[0].said
    # At the same recall of all labels together the spoilt one is less precise.
    last = [dict(map(tuple, each.curves["micro_precision_recall"])) for each in (base, row)]
    assert [max(curve) for curve in last] == [1, 1]
    assert np.mean(list(last[1].values())) < np.mean(list(last[0].values())) - 0.02
    page = written(report, tmp_path / "report")
    assert "F1 of each label" in page
    assert "Precision and recall over all labels together" in page


def test_anomaly(tmp_path):
    strange = np.arange(len(ROWS)) % 3 == 0
    x = np.where(strange[:, None], 4 * ROWS, ROWS)
    task = Task("anomaly", "reconstruction", threshold=2.0)
    data = parts(x, np.where(strange, "broken", "normal"))
    report = measured(bundle_of(tmp_path, np.diag([0.1, 0.1, 0.1, 0.1]), task), data)
    row = report.rows[1]
    assert row.metric.name == "roc_auc"
    assert row.metric.value > 0.85
    assert row.metric.trivial == 0.5
    assert sum(row.curves["scores"]["normal"]) == (~strange[500:]).sum()
    # The same answers to the last bit, and a thousand of them: shown within half a point.
    assert row.verdict.non_inferior
    page = written(report, tmp_path / "report")
    assert "Scores of net-int8.tflite" in page
    assert "ROC curve" in page


def test_raw_is_compared_as_numbers(tmp_path):
    kernel = RNG.normal(0, 1, (6, 4)).astype(np.float32)
    task = Task("raw", "raw")
    bundle = bundle_of(tmp_path, kernel, task, Tensor((4,)), spoilt=kernel * 1.1)
    report = measured(bundle, dataset_of_arrays("table", (ROWS[:500], None), (ROWS[500:], None)))
    base, row = report.rows
    assert base.metric.value == 200
    assert row.metric.name == "sqnr_db"
    assert row.metric.value == pytest.approx(20, abs=0.5)
    assert row.metric.trivial is None
    assert row.agreement is None
    assert choose_row(report) is None
    assert "nothing is known to be right" in say_what_to_ship(report)
    assert "sqnr_db dB" in headings(report)
    written(report, tmp_path / "report")


def test_several_inputs_are_fed_by_name(tmp_path):
    contract = {"left": Features(("a",)), "right": Features(("b", "c", "d"), mean=(1.0,) * 3, std=(2.0,) * 3)}
    x = {"right": ROWS[:, 1:] * 2 + 1, "left": ROWS[:, :1]}
    y = (ROWS @ PLANE[0])[:, None]
    train, test = (
        ({name: values[part] for name, values in x.items()}, y[part]) for part in (slice(500), slice(500, None))
    )
    data = dataset_of_arrays("table", train, test, names=("price",))
    bundle = bundle_of(tmp_path, PLANE, NUMBER, contract, inputs={"left": 1, "right": 3})
    report = measured(bundle, data)
    assert report.rows[1].metric.value < 1e-5
    assert next(iter(report.images.values()), {"text": "left"})["text"].startswith("left")
    alone = parts(ROWS, y)
    with pytest.raises(InputError, match=r"has 1 inputs .* the bundle takes 2 \(left, right\)"):
        benchmark(bundle, alone, preset="quick")


def test_windows_of_a_signal(tmp_path):
    windows = ROWS.reshape(-1, 2, 2)
    y = (ROWS @ PLANE[0] > 0).astype(np.int64)
    contract = Signal(2, ("left", "right"))
    content = {f"net-{variant}.tflite": dense(PLANE, logistic=True) for variant in ("float32", "int8")}
    facts = {"task": BINARY, "contract": Contract({"x": contract})}
    bundle = write_bundle(tmp_path / "bundle", content, model="float", **facts)
    assert measured(bundle, parts(windows, y, names=("no", "yes"))).rows[1].accuracy == 1


def test_a_model_no_better_than_the_trivial_answer_is_refused(tmp_path):
    bundle = bundle_of(tmp_path, np.zeros((1, 4)), BINARY, logistic=True)
    data = binary_data()
    with pytest.raises(
        InputError, match="no better than the more frequent class for every example: accuracy 0"
    ) as found:
        benchmark(bundle, data, preset="quick")
    assert "--accept-chance" in str(found.value)
    report = measured(bundle, data, accept_chance=True)
    for text in (to_text(report), to_markdown(report), say_what_to_ship(report)):
        assert text.startswith("NO BETTER THAN CHANCE: net-float32.tflite is no better than")
    page = written(report, tmp_path / "report")
    assert page.index("No better than chance") < page.index("Every artifact")
    assert "No better than chance" in (tmp_path / "report" / "model-card.md").read_text()


def test_exit_status_of_chance_and_of_its_acceptance(tmp_path):
    bundle, data = bundle_of(tmp_path, np.zeros((1, 4)), BINARY, logistic=True), binary_data()
    arrays = {
        f"{kind}_{part}": values
        for part, own in (("train", data.train), ("test", data.test))
        for kind, values in (("x", own.x), ("y", own.targets))
    }
    np.savez(tmp_path / "table.npz", **arrays)
    command = ["benchmark", str(bundle), "--data", str(tmp_path / "table.npz"), "--preset", "quick"]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 2
    assert "--accept-chance" in refused.stderr
    accepted = CliRunner().invoke(main, [*command, "--accept-chance", "--margin-points", "3"])
    assert accepted.exit_code == 0
    assert accepted.stdout.startswith("NO BETTER THAN CHANCE")


def test_it_is_said_whether_the_test_may_have_been_fitted(tmp_path):
    data = binary_data()
    (unknown,) = measured(bundle_of(tmp_path, PLANE, BINARY, logistic=True), data).notes
    assert unknown.startswith("it is not known what the model was fitted to")
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    split = {"split": {"origin": "recorded by training"}, "name": "table"}
    manifest["source"] = {"dataset": {**split, "sha256": data.sha256}}
    (tmp_path / "bundle" / "manifest.json").write_text(json.dumps(manifest))
    report = measured(tmp_path / "bundle", data)
    assert report.notes is None
    manifest["source"]["dataset"]["sha256"] = "0" * 64
    (tmp_path / "bundle" / "manifest.json").write_text(json.dumps(manifest))
    (other,) = measured(tmp_path / "bundle", data).notes
    assert "fitted to table" in other
    assert other[1:] in to_text(report := measured(tmp_path / "bundle", data))
    assert other[1:] in written(report, tmp_path / "report")


@pytest.mark.parametrize(
    ("task", "data", "message"),
    [
        (NUMBER, lambda: binary_data(), "2 classes, and the task is regression"),
        (
            Task("multiclass", "logits", tuple("abcdefg")),
            lambda: parts(ROWS, np.arange(len(ROWS)) % 2, names=("no", "yes")),
            r"have 7 outputs \(a, b, c, d, e, f, g\), table has 2 classes|has the classes no, yes, the bundle a, b",
        ),
        (
            BINARY,
            lambda: parts(ROWS[:, :3], np.arange(len(ROWS)) % 2),
            r"features of \(3,\), the bundle takes .*\(4,\)",
        ),
        (BINARY, lambda: parts(ROWS, ROWS[:, :1]), "numbers, and the task is binary"),
    ],
)
def test_data_of_another_question_names_both_sides(tmp_path, task, data, message):
    kernel = RNG.normal(0, 1, (max(1, len(task.labels) if task.kind == "multiclass" else 1), 4))
    bundle = bundle_of(tmp_path, kernel, task)
    with pytest.raises(InputError, match=message):
        benchmark(bundle, data(), preset="quick")


def test_gates_are_stated_in_the_tasks_unit(tmp_path):
    y = (ROWS @ PLANE[0] + RNG.normal(0, 0.1, len(ROWS))).astype(np.float32)[:, None]
    data = parts(ROWS, y, names=("price",))
    report = measured(bundle_of(tmp_path, PLANE, NUMBER, spoilt=PLANE * 1.02), data)
    (kept,) = check_gate(report, Gate(max_error_percent=10.0))
    assert kept.passed
    assert "% of the trivial answer's error" in kept.reason
    (broken,) = check_gate(report, Gate(max_error_percent=0.01))
    assert not broken.passed
    (wrong,) = check_gate(report, Gate(max_drop_points=50))
    assert not wrong.passed
    assert "max_error_percent is its limit" in wrong.reason
    checks = {check.limit: check.passed for check in check_baseline(report, report)}
    assert checks["mae"]
    classes = measured(bundle_of(tmp_path / "classes", PLANE, BINARY, logistic=True), binary_data())
    (wrong,) = check_gate(classes, Gate(max_error_percent=50.0))
    assert "max_drop_points is its limit" in wrong.reason


def test_without_data_the_selftests_numbers_are_compared(tmp_path):
    bundle = bundle_of(tmp_path, PLANE, NUMBER, spoilt=PLANE * 1.1)
    inputs = {"x": ROWS[:32]}
    Vectors(None, None, reference_outputs(bundle, inputs), inputs).write(bundle / SELFTEST_NAME)
    manifest = json.loads((bundle / "manifest.json").read_text()) | {"selftest": SELFTEST_NAME}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    report = measured(bundle, None)
    assert report.dataset is None
    assert report.rows[1].metric is None
    assert report.rows[1].metrics["sqnr_db"] == pytest.approx(20, abs=0.5)
    assert "not measured" in to_text(report)
    written(report, tmp_path / "report")
