"""The oldest runtime that loads a file."""

from edgepress.runtime.tflite_file import TfliteFile

__all__ = ["oldest_onnxruntime", "oldest_tflite_runtime"]

# ONNX Runtime's own table, docs/Versioning.md: the first release with each operator set of the default domain.
_ONNXRUNTIME_OF_OPSET = {
    7: "1.0",
    8: "1.0",
    9: "1.0",
    10: "1.0",
    11: "1.0",
    12: "1.3",
    13: "1.7",
    14: "1.8",
    15: "1.10",
    16: "1.11",
    17: "1.12",
    18: "1.14",
    19: "1.15",
    20: "1.17",
    21: "1.18",
    22: "1.20",
    23: "1.23",
}
_ONNXRUNTIME_OF_IR = {7: "1.5", 8: "1.10", 9: "1.15", 10: "1.18", 11: "1.22"}


def oldest_tflite_runtime(file: TfliteFile) -> dict[str, str]:
    """Oldest releases of tflite-runtime, as its converter stated it."""
    stated = file.metadata.get("min_runtime_version", b"").rstrip(b"\0").decode()
    return {"tflite-runtime": stated} if stated else {}


def oldest_onnxruntime(ir_version: int, opsets: dict[str, int]) -> dict[str, str]:
    """Oldest release of ONNX Runtime, from the file's operator sets and its format's version."""
    needed = [_ONNXRUNTIME_OF_OPSET.get(opsets.get("", 1), "1.0"), _ONNXRUNTIME_OF_IR.get(ir_version, "1.0")]
    return {"onnxruntime": max(needed, key=lambda release: tuple(map(int, release.split("."))))}
