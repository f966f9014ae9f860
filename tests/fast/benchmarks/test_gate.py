"""A gate passes what a report shows and nothing else."""

import copy
from xml.etree import ElementTree

import pytest

from edgepress.benchmarks import parse_report
from edgepress.benchmarks.gate import Gate, check_baseline, check_gate, read_gate, to_junit
from edgepress.runtime import InputError

ALL = Gate(max_drop_points=5, max_bytes=1e6, max_latency_ratio=1e4, max_peak_mb=1e5)


@pytest.fixture
def report(report):
    report["conditions"]["not_comparable"] = []
    return report


@pytest.fixture
def earlier(report):
    """An earlier run that found the same."""
    return copy.deepcopy(report)


def failed(checks):
    return {(check.row, check.limit) for check in checks if not check.passed}


def test_generous_limits_pass(report):
    checks = check_gate(parse_report(report), ALL)
    assert len(checks) == 4 * 2
    assert not failed(checks)


@pytest.mark.parametrize(
    ("limit", "value"), [("max_drop_points", 0.0), ("max_bytes", 10), ("max_latency_ratio", 0.0), ("max_peak_mb", 1)]
)
def test_each_limit_can_fail(report, limit, value):
    checks = check_gate(parse_report(report), Gate(**{limit: value}))
    assert len(failed(checks)) == 2


def test_a_broken_class_fails(report):
    row = report["rows"][1]
    row["pairs"] = {"both_right": 1700, "only_float_right": 180, "only_row_right": 0, "both_wrong": 120}
    assert len(failed(check_gate(parse_report(report), Gate(max_drop_points=5)))) == 1


def test_few_images_never_pass(report):
    for row in report["rows"]:
        row["pairs"] = {"both_right": 60, "only_float_right": 0, "only_row_right": 0, "both_wrong": 4}
    assert len(failed(check_gate(parse_report(report), Gate(max_drop_points=0.5)))) == 2


@pytest.mark.parametrize(
    ("spoil", "gate"),
    [
        (
            lambda row: row.update(accuracy=None, difference_points=None, difference_interval_points=None),
            Gate(max_drop_points=100),
        ),
        (lambda row: row["latency_ratio"].update(interval=None), Gate(max_latency_ratio=1e9)),
        (lambda row: row["memory_bytes"].update(peak=None), Gate(max_peak_mb=1e9)),
    ],
)
def test_what_was_not_measured_fails(report, spoil, gate):
    spoil(report["rows"][1])
    assert len(failed(check_gate(parse_report(report), gate))) == 1


def test_what_could_not_be_measured_fails(report):
    lost = report["rows"].pop()
    report["failed"] = [{"artifact": lost["artifact"], "backend": "litert", "threads": 1, "reason": "it died"}]
    assert len(failed(check_gate(parse_report(report), ALL))) == 1
    assert failed(check_gate(parse_report(report), Gate(max_bytes=1e6, artifacts=("nosuch.tflite",)))) == {
        ("nosuch.tflite", "measured")
    }
    report["rows"], report["failed"] = report["rows"][:1], []
    assert failed(check_gate(parse_report(report), ALL))


def test_an_artifact_that_a_backend_computes_wrongly_fails(report):
    report["conformance"] = {"refused": {"digits-int8.tflite": "litert+delegate: gives another answer in each process"}}
    assert failed(check_gate(parse_report(report), ALL)) == {("digits-int8.tflite", "conformance")}


def test_a_throttled_machine_fails_the_latency_limit(report):
    report["conditions"]["not_comparable"] = ["the processor was throttled"]
    assert {limit for _, limit in failed(check_gate(parse_report(report), ALL))} == {"max_latency_ratio"}


def test_the_same_report_is_no_worse_than_itself(report):
    assert not failed(check_baseline(parse_report(report), parse_report(report)))


def test_a_baseline_finds_what_got_worse(report, earlier):
    report["rows"][1]["accuracy"] -= 0.01
    report["rows"][2]["bytes"] *= 2
    report["rows"][1]["latency_ratio"]["interval"] = [1e3, 2e3]
    del report["rows"][0]
    limits = sorted(limit for _, limit in failed(check_baseline(parse_report(report), parse_report(earlier))))
    assert limits == ["accuracy", "bytes", "latency", "measured"]


def test_a_baseline_on_other_data_or_another_machine_proves_nothing(report, earlier):
    report["dataset"] = {**report["dataset"], "sha256": "0" * 64}
    report["machine"] = {**report["machine"], "processor": "another"}
    assert {limit for _, limit in failed(check_baseline(parse_report(report), parse_report(earlier)))} == {
        "dataset",
        "machine",
    }


def test_junit(report):
    checks = check_gate(parse_report(report), Gate(max_drop_points=0.0, max_bytes=1e6))
    suite = ElementTree.fromstring(to_junit(checks))
    assert suite.attrib["tests"] == "4"
    assert suite.attrib["failures"] == "2" == str(len(suite.findall("testcase/failure")))


def test_read_gate(tmp_path):
    path = tmp_path / "gate.toml"
    path.write_text("max_drop_points = 0.5\nconfidence = 0.99\nartifacts = ['a.tflite']\n")
    assert read_gate(path) == Gate(max_drop_points=0.5, confidence=0.99, artifacts=("a.tflite",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_drop = 1", "key 'max_drop': allowed are max_drop_points"),
        ("max_bytes = -1", "0 or more"),
        ("max_bytes = 'x'", "0 or more"),
        ("max_bytes = true", "0 or more"),
        ("max_bytes = nan", "0 or more"),
        ("confidence = 0.9", "no limit"),
        ("max_bytes = 1\nconfidence = 95", "confidence 95"),
        ("max_bytes = 1\nartifacts = 'x'", "list of file names"),
        ("max_bytes = ", "not TOML"),
    ],
)
def test_a_gate_that_says_nothing_clear_is_refused(tmp_path, text, message):
    path = tmp_path / "gate.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_gate(path)
    with pytest.raises(InputError, match="No such file"):
        read_gate(tmp_path / "none.toml")
