"""MLPerf Inference's load generator drives the runtime: its four scenarios, performance and accuracy.

The protocol is MLPerf's (Reddi et al., ISCA 2020), the package its own LoadGen. Runs are short and nobody audits them:
what comes out is no MLPerf result and must not be called one.
"""

import json
import logging
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require

__all__ = ["LABEL", "SCENARIOS", "drive", "read_accuracy", "read_summary"]

LABEL = "MLPerf's load generator and protocol; unofficial, not an MLPerf result"
SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline")
_LOG = logging.getLogger("edgepress")
_CHUNK = 256
_LIBRARY_BYTES = 256_000_000
"""Of samples in memory; MLPerf's accuracy runs load one such set after another, its performance runs take one."""
_SERVER_LIMIT_MS = 10
_SERVER_SHARES = (0.4, 0.2, 0.1, 0.05)
"""Of the rate that one image after the other reaches; queries arrive this often. The first VALID run counts."""
_PILOT_S = 0.2
_SUMMARY, _ACCURACY = "mlperf_log_summary.txt", "mlperf_log_accuracy.json"

Predict = Callable[[NDArray[np.uint8]], NDArray[np.int64]]
"""Pixels (n, ...) to class indices (n,)."""


def drive(
    predict: Predict,
    images: Any,
    truth: NDArray[np.int64] | None,
    *,
    scenarios: Sequence[str] = SCENARIOS,
    seconds: float = 2.0,
) -> list[dict[str, Any]]:
    """Run every scenario in performance mode and, where the classes are known, in accuracy mode.

    Args:
        predict: The system under test.
        images: The sample library, an array or anything that gives arrays for lists of indices; an accuracy run asks
            for each of them once. As many of them as fit into 256 MB are in memory at a time.
        truth: Classes of the images, shape (n,).
        scenarios: Of `SCENARIOS`.
        seconds: Shortest duration of a performance run.

    Returns:
        Per scenario: whether LoadGen calls the run valid, the scenario's own figure with its name and unit, the latency
        percentiles, and the accuracy.

    Raises:
        MissingExtraError: mlcommons-loadgen is not installed.
    """
    loadgen = require("mlperf_loadgen", extra="mlperf")
    system = _System(loadgen, predict, images)
    rates = _pilot(system)
    found = []
    for scenario in scenarios:
        _LOG.info("benchmark: MLPerf %s", scenario)
        for share in _SERVER_SHARES if scenario == "Server" else (1.0,):
            settings = _settings(loadgen, scenario, rates, seconds, share)
            result = read_summary(system.run(settings, loadgen.TestMode.PerformanceOnly, _SUMMARY))
            if result["valid"]:
                break
        entry = {"scenario": scenario, "label": LABEL, **result, "accuracy": None}
        if truth is not None:
            entry["accuracy"] = read_accuracy(system.run(settings, loadgen.TestMode.AccuracyOnly, _ACCURACY), truth)
        found.append(entry)
    return found


class _System:
    """The system under test with its sample library, of which LoadGen says what is in memory before it asks."""

    def __init__(self, loadgen: Any, predict: Predict, images: Any) -> None:
        self.loadgen, self._predict, self._images = loadgen, predict, images
        self._fitting = max(1, min(len(images), _LIBRARY_BYTES // max(1, images[:1].nbytes)))
        self._places = np.zeros(len(images), np.int64)
        self._loaded = images[:0]

    def run(self, settings: Any, mode: Any, log_name: str) -> str:
        """One run in one mode; the text of the log that is asked for."""
        settings.mode = mode
        with tempfile.TemporaryDirectory(prefix="edgepress-mlperf-") as folder:
            log = self.loadgen.LogSettings()
            log.enable_trace = False
            log.log_output.outdir = folder
            log.log_output.copy_summary_to_stdout = False
            system = self.loadgen.ConstructSUT(self._issue, _nothing)
            library = self.loadgen.ConstructQSL(len(self._images), self._fitting, self._load, _nothing)
            try:
                self.loadgen.StartTestWithLogSettings(system, library, settings, log)
            finally:
                self.loadgen.DestroyQSL(library)
                self.loadgen.DestroySUT(system)
            return (Path(folder) / log_name).read_text()

    def _load(self, wanted: list[int]) -> None:
        """Bring samples into memory, in place of those that were there; no query waits for that."""
        self._loaded = self._images[np.array(wanted)]
        self._places[wanted] = np.arange(len(wanted))

    def _issue(self, queries: list[Any]) -> None:
        for start in range(0, len(queries), _CHUNK):
            part = queries[start : start + _CHUNK]
            answers = self._predict(self._loaded[self._places[[query.index for query in part]]]).astype(np.int64)
            base, step = answers.ctypes.data, answers.itemsize
            respond = self.loadgen.QuerySampleResponse
            self.loadgen.QuerySamplesComplete(
                [respond(query.id, base + i * step, step) for i, query in enumerate(part)]
            )


def _nothing(*_: Any) -> None:
    """Nothing is unloaded or flushed."""


def _pilot(system: _System) -> dict[str, float]:
    """Samples a second that short runs reach, LoadGen's own cost included: it must be told what to expect."""
    rates = {}
    for scenario in ("SingleStream", "Offline"):
        guess = {"SingleStream": 10_000.0, "Offline": 10_000.0}
        settings = _settings(system.loadgen, scenario, guess, _PILOT_S, 1.0)
        text = system.run(settings, system.loadgen.TestMode.PerformanceOnly, _SUMMARY)
        line = "QPS w/ loadgen overhead" if scenario == "SingleStream" else "Samples per second"
        rates[scenario] = float(_fields(text)[line])
    return rates


def _settings(loadgen: Any, scenario: str, rates: dict[str, float], seconds: float, server_share: float) -> Any:
    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, scenario)
    settings.min_duration_ms = int(1000 * seconds)
    settings.min_query_count = 100
    # Half the latency and a higher rate than measured: with less LoadGen runs short of queries, and the run is INVALID.
    settings.single_stream_expected_latency_ns = max(1, int(0.5e9 / rates["SingleStream"]))
    settings.multi_stream_expected_latency_ns = max(1, int(4e9 / rates["SingleStream"]))
    settings.multi_stream_samples_per_query = 8
    settings.offline_expected_qps = 1.5 * rates["Offline"]
    settings.server_target_qps = server_share * rates["SingleStream"]
    settings.server_target_latency_ns = _SERVER_LIMIT_MS * 1_000_000
    return settings


# The line of LoadGen's summary that holds a scenario's own figure, how we name it, and its unit in that line.
_FIGURES = {
    "90.0th percentile latency (ns)": ("latency_p90_us", 1e-3),
    "99.0th percentile latency (ns)": ("latency_p99_us", 1e-3),
    "Completed samples per second": ("samples_per_s", 1.0),
    "Samples per second": ("samples_per_s", 1.0),
}


def _fields(text: str) -> dict[str, str]:
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def read_summary(text: str) -> dict[str, Any]:
    """What LoadGen's summary says: valid or why not, the scenario's figure, latency percentiles in microseconds."""
    fields = _fields(text)
    line = next(name for name in _FIGURES if name in fields)
    name, unit = _FIGURES[line]
    valid = fields["Result is"] == "VALID"
    return {
        "valid": valid,
        "reasons": [] if valid else [line.strip(" *") for line in text.splitlines() if line.strip().startswith("*")],
        "figure": name,
        "value": float(fields[line]) * unit,
        "latency_us": {
            f"p{float(match[1]):g}": int(value) / 1000
            for key, value in fields.items()
            if (match := re.fullmatch(r"([0-9.]+) percentile latency \(ns\)", key))
        },
    }


def read_accuracy(text: str, truth: NDArray[np.int64]) -> float:
    """Accuracy from LoadGen's accuracy log, which holds the bytes of every answer in hexadecimal."""
    entries = json.loads(text)
    right = [
        int(np.frombuffer(bytes.fromhex(entry["data"]), np.int64)[0]) == truth[entry["qsl_idx"]] for entry in entries
    ]
    if len(right) != len(truth):
        raise ValueError(f"the accuracy log holds {len(right)} answers to {len(truth)} images")
    return float(np.mean(right))
