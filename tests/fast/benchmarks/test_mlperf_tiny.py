"""The study of MLPerf Tiny: what is not at hand is said to be missing, and what its commands made is read."""

import json
import shutil
from dataclasses import replace

import pytest

from edgepress.benchmarks import parse_report
from edgepress.benchmarks.studies import mlperf_tiny
from edgepress.benchmarks.studies.mlperf_tiny import REFERENCES, commands, main, missing, run, table
from edgepress.runtime import CheckFailedError

IMAGES, SOUNDS = REFERENCES["image-classification"], REFERENCES["anomaly-detection"]


@pytest.fixture
def report_file(pytestconfig):
    return pytestconfig.rootpath / "tests/golden/report/report.json"


@pytest.fixture
def report(report_file):
    return parse_report(json.loads(report_file.read_text()))


def put(folder, *names):
    for name in filter(None, names):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()


def test_what_is_not_at_hand_is_said_to_be_missing(tmp_path):
    assert missing(IMAGES, tmp_path) == ["Not measured: its reference model is not at hand."]
    put(tmp_path, IMAGES.keras, IMAGES.int8)
    (gap,) = missing(IMAGES, tmp_path)
    assert "data set is not at hand: quality is not measured, and no quantized file is made" in gap
    put(tmp_path, IMAGES.data, SOUNDS.keras)
    assert missing(IMAGES, tmp_path) == []
    assert len(missing(SOUNDS, tmp_path)) == 2


def test_the_published_file_is_a_row_of_the_same_benchmark_where_there_are_data(tmp_path):
    put(tmp_path, IMAGES.keras, IMAGES.int8, IMAGES.data, SOUNDS.keras)
    export, benchmark = commands(IMAGES, tmp_path, tmp_path / "work", "quick").values()
    assert benchmark[1:3] == [str(tmp_path / IMAGES.int8), str(tmp_path / "work/bundle")]
    assert "--variant=tflite:int8" in export
    assert "--input" not in (*export, *benchmark)
    export, benchmark = commands(SOUNDS, tmp_path, tmp_path / "work", "quick").values()
    assert [word for word in export if word.startswith("--variant")] == [
        "--variant=tflite:float32", "--variant=onnx:float32"
    ]  # fmt: skip
    assert {"--task=raw"} <= set(export) & set(benchmark)


def test_bytes_stand_beside_the_published_files(report):
    published = report.rows[1]
    lines = list(table(report, f"models/{published.artifact}", judged=True))
    (line,) = (line for line in lines if "(published)" in line)
    assert f"| {published.sizes.bytes:,} | 1.00 |" in line
    assert f"accuracy {100 * published.accuracy:.2f} %" in line
    unjudged = "\n".join(table(report, "", judged=False))
    assert "accuracy" not in unjudged
    assert "(published)" not in unjudged


def test_a_busy_machine_tells_no_times(report):
    busy = replace(report, conditions=replace(report.conditions, not_comparable=("others were at work",)))
    lines = list(table(busy, "", judged=True))
    assert lines[-1] == "Latencies are not comparable: others were at work."
    assert sum("not comparable" in line for line in lines[:-1]) == len(report.rows)


def test_what_was_made_is_read_and_what_fails_is_told(tmp_path, report, report_file, monkeypatch, capsys):
    put(tmp_path, IMAGES.keras, IMAGES.data)
    place = tmp_path / "work/image-classification"
    with pytest.raises(
        CheckFailedError, match=r"edgepress export of models/resnet8.h5: exit status 2: .*cifar10-jpeg\.zip"
    ):
        run(IMAGES, tmp_path, place, "quick")
    for made in ("bundle/manifest.json", "report/report.json"):
        (place / made).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(report_file, place / made)
    assert run(IMAGES, tmp_path, place, "quick").rows == report.rows
    monkeypatch.setenv("EDGEPRESS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(mlperf_tiny, "run_module", None)
    page = tmp_path / "page.md"
    page.write_text("<!-- figures: mlperf-tiny -->\n<!-- end -->\n")
    assert main(["--work", str(tmp_path / "work"), "--page", str(page)]) == 0
    assert page.read_text().count("###") == len(REFERENCES)
    assert capsys.readouterr().out.count("its reference model is not at hand") == len(REFERENCES) - 1
