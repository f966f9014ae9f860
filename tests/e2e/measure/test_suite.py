"""The whole benchmark on three tiny models in real processes."""

import dataclasses
import json
import os
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import edgepress.benchmarks
from edgepress.benchmarks import benchmark, report_to_dict, suite, write_report
from edgepress.benchmarks.measure.speed import PACES, Pace
from edgepress.benchmarks.measure.sweeps import thread_counts
from edgepress.benchmarks.models.questions import Questions
from edgepress.benchmarks.report.terminal import to_terminal
from edgepress.benchmarks.statistics import robustness
from edgepress.data import dataset_of_arrays
from edgepress.data.gathered import store_rows
from edgepress.data.rows import in_pieces
from edgepress.runtime import CheckFailedError, InputError, Manifest, load
from edgepress.runtime.backends import present_backends

FILES = ("digits-float32.tflite", "digits-int8.tflite", "digits-int8.onnx")
SCHEMA = json.loads(Path(edgepress.benchmarks.__file__).with_name("report").joinpath("report.schema.json").read_text())


def test_the_report_keeps_its_published_schema(report):
    jsonschema.validate(json.loads(json.dumps(report, allow_nan=False)), SCHEMA)


def test_the_schema_can_fail(report):
    del report["rows"][0]["latency_us"]["p90"]
    with pytest.raises(jsonschema.ValidationError, match="p90"):
        jsonschema.validate(report, SCHEMA)


def test_the_float_artifact_is_the_baseline(report):
    assert report["baseline"] == {
        "name": "float",
        "accuracy": report["rows"][0]["accuracy"],
        "artifact": "digits-float32.tflite",
        "backend": "litert",
        "threads": 1,
    }
    first = report["rows"][0]
    assert first["difference_points"] == 0
    assert first["latency_ratio"]["value"] == 1


def test_accuracy_is_that_of_the_runtime(report, bundle, dataset):
    for row in report["rows"]:
        with load(bundle / row["artifact"], backend=row["backend"]) as model:
            indices = model.predict(dataset.x_test).indices
        assert row["accuracy"] == np.mean(indices == dataset.y_test)
        assert sum(map(sum, row["confusion"])) == len(dataset.x_test)


def test_every_row_is_measured_whole(report):
    assert {row["artifact"] for row in report["rows"]} == set(FILES)
    assert report["failed"] == []
    for row in report["rows"]:
        latency = row["latency_us"]
        assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"]
        assert len(row["latency_ratio"]["repetitions"]) == 3
        low, high = row["latency_ratio"]["interval"]
        assert low <= row["latency_ratio"]["value"] <= high
        assert row["throughput_per_s"] > 0
        assert row["memory_bytes"]["peak"] >= row["memory_bytes"]["steady"] > 1e6
        assert all(part > 0 for part in row["cold_start_us"].values())
        assert row["gzip_bytes"] <= row["bytes"] * 1.01
        assert row["runtime_bytes"]["numpy"] > 1e6


def test_examples_have_their_pictures(report):
    named = {
        str(entry["image"])
        for row in report["rows"]
        for group in (row["mistakes"], *row["flips"].values())
        for entry in group
    }
    assert named == set(report["images"])


def test_without_data_agreement_is_measured_on_the_selftest(blind_report):
    jsonschema.validate(blind_report, SCHEMA)
    assert blind_report["dataset"] is None
    assert blind_report["agreement_images"] == 64
    assert all(row["accuracy"] is None and row["agreement"] > 0.9 for row in blind_report["rows"])


def test_a_model_that_cannot_be_opened_is_named_and_the_rest_measured(bundle, dataset):
    content = bytearray((bundle / "digits-int8.onnx").read_bytes())
    content[100] ^= 255
    (bundle / "digits-int8.onnx").write_bytes(content)
    report = report_to_dict(benchmark(bundle, dataset, preset="quick"))
    assert [failure["artifact"] for failure in report["failed"]] == ["digits-int8.onnx"]
    assert len(report["rows"]) == 2


def test_a_baseline_that_cannot_be_opened_ends_it(bundle, dataset):
    (bundle / "digits-float32.tflite").write_bytes(b"")
    with pytest.raises(CheckFailedError, match="baseline cannot be measured"):
        benchmark(bundle, dataset, preset="quick")


def test_bad_input_is_refused_before_anything_runs(bundle, dataset, tmp_path):
    with pytest.raises(InputError, match="preset 'fast': allowed are quick"):
        benchmark(bundle, dataset, preset="fast")
    with pytest.raises(InputError, match=r"manifest\.json"):
        benchmark(tmp_path, dataset)
    with pytest.raises(InputError, match="no such file"):
        benchmark(bundle, dataset, float_model=tmp_path / "none.keras")
    with pytest.raises(InputError, match="backend 'tpu'"):
        benchmark(bundle, dataset, backends=("tpu",))
    cut = [(part.x[:, :8], part.targets) for part in (dataset.train, dataset.test)]
    small = dataset_of_arrays("digits", *cut, names=dataset.labels)
    with pytest.raises(InputError, match=r"images of \(8, 28\)"):
        benchmark(bundle, small)
    named = dataclasses.replace(dataset, targets=dataset.targets._replace(names=tuple("abcdefghij")))
    with pytest.raises(InputError, match="classes a, b"):
        benchmark(bundle, named)
    manifest = Manifest.read(bundle)._replace(selftest=None)
    (bundle / "manifest.json").write_text(manifest.to_json())
    with pytest.raises(InputError, match="no self-test"):
        benchmark(bundle)


def test_all_backends_are_measured_and_the_fastest_true_one_is_named_first(bundle, dataset, monkeypatch):
    monkeypatch.setitem(PACES, "quick", Pace(repetitions=1, rounds=2, turn_us=1_000, batches=(256,), thorough=False))
    found = benchmark(bundle, dataset, preset="quick", margin=20, backends=("all",))
    assert found.failed == ()
    wanted = {(file, backend) for file in FILES for backend in present_backends(file.rpartition(".")[2])}
    assert {(row.artifact, row.backend) for row in found.rows} == wanted
    assert len(wanted) > len(FILES)
    quickest = min(found.rows[1:], key=lambda row: row.speed.latency_us.p50)
    assert (
        to_terminal(found)
        .splitlines()[1]
        .startswith(f"fastest within 20 points: {quickest.artifact} in {quickest.backend}, ")
    )


def test_the_thorough_part(bundle, dataset, tmp_path, monkeypatch):
    """Everything that the quick preset leaves out, in a short run."""
    short = Pace(repetitions=2, rounds=2, turn_us=1_000, batches=(8, 256), thorough=True)
    monkeypatch.setitem(PACES, "default", short)
    few = dataclasses.replace(dataset, test=dataset.test[:300])
    found = benchmark(bundle, few, margin=20)
    report = report_to_dict(found)
    jsonschema.validate(report, SCHEMA)
    assert report["conformance"]["ok"]
    artifact, settings = "digits-int8.tflite", set()
    for cell in report["conformance"]["cells"]:
        if cell["artifact"] == artifact:
            settings.add((cell["backend"], cell["delegate"]))
    assert {("litert", False), ("litert", True), ("numpy", False)} <= settings
    for row in report["rows"]:
        assert len(row["robustness"]) == 9
        shifted = {entry["name"]: entry["accuracy"] for entry in row["robustness"]}
        assert shifted["inverted"] < row["accuracy"]
        cores = len(os.sched_getaffinity(0))
        wanted = thread_counts(cores) if cores > 1 else ()
        assert [entry["threads"] for entry in row["threads_sweep"]] == list(wanted)
        assert all([batch["size"] for batch in entry["batches"]] == [8, 256] for entry in row["threads_sweep"])
        assert (row["energy_uj"] is None) == (report["energy"] is not None)
    if report["layers"] is not None:
        assert all(error["sqnr_db"] > 0 for error in report["layers"]["errors"])
    write_report(found, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "Harder pictures" in page
    assert "Conformance" in page


def test_in_pieces_the_report_is_the_same(bundle, dataset, monkeypatch):
    """Test pictures that stay in a file, of which a few are changed at a time, get the numbers of those in memory."""
    short = Pace(repetitions=1, rounds=1, turn_us=1_000, batches=(8,), thorough=False)
    monkeypatch.setitem(PACES, "default", short)
    few = dataclasses.replace(dataset, test=dataset.test[:150])
    pixels = few.test.x
    stored = store_rows(in_pieces(pixels, 40), pixels.shape[1:], pixels.dtype)
    in_a_file = dataclasses.replace(few, test=dataclasses.replace(few.test, inputs={"": stored}))
    monkeypatch.setattr(suite, "Questions", lambda *given, hard: Questions(*given, hard=True))
    found = []
    for data, piece in ((few, 10**9), (in_a_file, 7 * pixels[0].nbytes)):
        monkeypatch.setattr(robustness, "_PIECE_BYTES", piece)
        found.append(report_to_dict(benchmark(bundle, data, margin=20)))
    for key in ("dataset", "images", "agreement_images"):
        assert found[0][key] == found[1][key]
    timed = ("latency", "throughput", "batches", "cold", "memory", "harness", "predict", "warmup")
    for one, other in zip(found[0]["rows"], found[1]["rows"], strict=True):
        answers = [{name: value for name, value in row.items() if not name.startswith(timed)} for row in (one, other)]
        assert answers[0] == answers[1]
        assert len(one["robustness"]) == 9
