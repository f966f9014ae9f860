"""Each rule answers the case that it is about, and keeps silent on the others."""

import pytest

from edgepress.benchmarks.report.explain import Case, reasons
from edgepress.runtime import Artifact

VNNI = ("avx2", "avx512_vnni")


def artifact(**changes):
    known = {
        "file": "m-int8.tflite", "model": "m", "format": "tflite", "variant": "int8", "sha256": "", "bytes": 1,
        "inputs": (), "outputs": (), "weights": {"int8": 1.0}, "operators": {"FULLY_CONNECTED": 4},
    }  # fmt: skip
    return Artifact(**known | changes)


def case(quantized, floating, *, backend="litert", features=VNNI, architecture="x86_64", **changes):
    return Case(artifact(**changes), backend, quantized, floating, architecture, features)


# Time of a call in microseconds by batch size.
EVEN = {1: 100.0, 8: 800.0, 256: 25_600.0}
CASES = {
    "dispatch overhead": case({1: 10.0, 256: 266.0}, {1: 10.0, 256: 250.0}),
    "missing kernel": case(EVEN, EVEN, features=("avx2",)),
    "dequantized operators": case(EVEN, EVEN, operators={"FULLY_CONNECTED": 4, "DEQUANTIZE": 2}),
    "memory-bound": case({1: 100.0, 32: 3_200.0, 256: 25_600.0, 1024: 160_000.0}, EVEN),
    "batch too small": case({1: 100.0, 8: 600.0, 256: 15_000.0}, EVEN),
}


@pytest.mark.parametrize("rule", CASES)
def test_each_rule_answers_its_case_and_no_other(rule):
    assert [reason["rule"] for reason in reasons(CASES[rule])] == [rule]


def test_answers_name_what_was_found_and_a_choice():
    (reason,) = reasons(CASES["batch too small"])
    assert "from 8 images a call it is 1.3 times as fast" in reason["text"]
    assert reason["choice"].startswith("Answer 8 images")
    (reason,) = reasons(CASES["memory-bound"])
    assert "1024 images a call reach 64% of the speed of" in reason["text"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backend": "numpy"}, "reference"),
        ({"variant": "int16x8"}, "int16 activations"),
        ({"architecture": "aarch64", "features": ("asimd",)}, "asimddp"),
    ],
)
def test_kinds_of_missing_kernels(changes, words):
    (reason,) = reasons(case(EVEN, EVEN, **changes))
    assert reason["rule"] == "missing kernel"
    assert words in reason["text"]


def test_float_weights_are_named():
    (reason,) = reasons(case(EVEN, EVEN, weights={"int8": 0.6, "float32": 0.4}))
    assert "40% of the weights" in reason["text"]


def test_nothing_known():
    assert reasons(case(EVEN, EVEN))[0]["rule"] == "unknown"
