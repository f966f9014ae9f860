"""What is not known of old runtimes is said to be unknown."""

import dataclasses
from pathlib import Path

import pytest

from edgepress.export.inspect.oldest_runtime import oldest_onnxruntime, oldest_tflite_runtime
from edgepress.export.targets import RuntimeFloor
from edgepress.runtime.formats.tflite_file import read_tflite

GOLDEN = Path(__file__).parents[2] / "golden"
UNKNOWN = {"onnxruntime": "unknown"}


@pytest.mark.parametrize(
    ("ir_version", "opsets", "operators", "expected"),
    [
        (8, {"": 99}, [], UNKNOWN),
        (99, {"": 17}, [], UNKNOWN),
        (8, {"": 17, "com.microsoft": 1}, [("com.microsoft", "NewestAttention")], UNKNOWN),
        (8, {"": 17, "my.domain": 1}, [("my.domain", "Gemm")], UNKNOWN),
        (8, {"": 17, "com.microsoft": 1}, [("com.microsoft", "MatMulNBits")], {"onnxruntime": "1.17"}),
        (8, {"": 17}, [("", "Gemm")], {"onnxruntime": "1.12"}),
        (8, {"ai.onnx": 18}, [("ai.onnx", "Gemm")], {"onnxruntime": "1.14"}),
    ],
)
def test_onnx_files_beyond_the_tables_are_not_guessed_about(ir_version, opsets, operators, expected):
    assert oldest_onnxruntime(ir_version, opsets, operators) == expected


@pytest.mark.parametrize("stated", [None, b"", b"newest\0", b"2.x"])
def test_tflite_files_that_state_no_release_are_not_guessed_about(stated):
    file = read_tflite((GOLDEN / "digits-int8.tflite").read_bytes())
    assert oldest_tflite_runtime(file)["tensorflow-lite"] != "unknown"
    metadata = {key: value for key, value in file.metadata.items() if key != "min_runtime_version"}
    metadata |= {} if stated is None else {"min_runtime_version": stated}
    file = dataclasses.replace(file, metadata=metadata)
    assert oldest_tflite_runtime(file) == {"tensorflow-lite": "unknown"}
    assert "is unknown" in RuntimeFloor.parse("tflite-2.14").objection(oldest_tflite_runtime(file))


@pytest.mark.parametrize("said", [{}, UNKNOWN])
def test_a_floor_objects_to_what_is_unknown(said):
    objection = RuntimeFloor.parse("onnxruntime-1.17").objection(said)
    assert objection.startswith("which onnxruntime it needs is unknown")
    assert "onnxruntime 1.17 was asked for" in objection
