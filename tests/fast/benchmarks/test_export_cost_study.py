"""The study of what an export takes."""

import pytest

from edgepress.benchmarks.studies.exports.cost import measure, table


def test_an_export_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="no model at"):
        measure(["no.keras", "--data", "mnist"], tmp_path)


def test_a_line_has_seconds_and_both_memories():
    found = {"mobilenetv2": {"this": {"seconds": 19.5, "largest_mb": 1190, "together_mb": 2050}}}
    assert table(found)[-1] == "| MobileNetV2 0.5, 96 px | this | 19.5 | 1,190 | 2,050 |"
