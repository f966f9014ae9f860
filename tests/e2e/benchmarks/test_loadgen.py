"""MLPerf's own load generator drives the runtime in its four scenarios."""

import numpy as np
import pytest

from edgepress.benchmarks import benchmark, write_report
from edgepress.benchmarks.measure.loadgen import LABEL, SCENARIOS, read_accuracy
from edgepress.runtime import load

pytest.importorskip("mlperf_loadgen", reason="needs the mlperf extra (x86-64)")


def test_all_scenarios_in_both_modes(bundle, dataset, tmp_path):
    report = benchmark(bundle, dataset, backends=("litert",), preset="quick", mlperf=True)
    entries = report.mlperf["scenarios"]
    assert [entry["scenario"] for entry in entries] == list(SCENARIOS)
    # Whether a run is VALID depends on what else the machine does; what was answered does not.
    with load(bundle / report.mlperf["artifact"], backend="litert") as model:
        expected = np.mean(model.predict(dataset.x_test).indices == dataset.y_test)
    for entry in entries:
        assert entry["accuracy"] == expected
        assert entry["value"] > 0
        assert entry["label"] == LABEL
        assert entry["latency_us"]["p50"] <= entry["latency_us"]["p99"]
        assert entry["valid"] == (entry["reasons"] == [])
    write_report(report, tmp_path)
    assert "not an MLPerf result" in (tmp_path / "report.html").read_text()


def test_a_log_with_answers_missing_is_no_accuracy():
    log = '[{"seq_id": 0, "qsl_idx": 0, "data": "0300000000000000"}]'
    assert read_accuracy(log, np.array([3])) == 1.0
    assert read_accuracy(log, np.array([4])) == 0.0
    with pytest.raises(ValueError, match="1 answers to 2 images"):
        read_accuracy(log, np.array([3, 4]))
