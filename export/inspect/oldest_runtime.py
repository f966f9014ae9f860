"""The oldest release of each runtime that loads a file, from the operators' versions.

Sources: TensorFlow Lite's own table (runtime_version.cc, op_version.cc), which the converter writes into each file
as `min_runtime_version`; ONNX Runtime's docs/Versioning.md and docs/ContribOperators.md. A test holds what this module
says against the real tflite-runtime 2.14.
"""

import re
from collections.abc import Collection

from edgepress.runtime.formats.tflite_file import TfliteFile

__all__ = ["UNKNOWN", "oldest_onnxruntime", "oldest_tflite_runtime"]

Release = tuple[int, int]
UNKNOWN = "unknown"
"""In place of a release, where a file does not tell or is newer than the tables here: no guess."""

# What other tools' edits of a file change, and the converter's statement in it cannot know.
_TFLITE_OF_OPERATOR: dict[str, dict[int, Release]] = {
    "FULLY_CONNECTED": {5: (2, 0), 6: (2, 1), 7: (2, 3), 10: (2, 11), 11: (2, 15), 12: (2, 17), 13: (2, 18)},
    "CONV_2D": {4: (2, 3), 5: (2, 4), 6: (2, 9), 7: (2, 11), 8: (2, 15)},
    "DEPTHWISE_CONV_2D": {4: (2, 2), 5: (2, 3), 7: (2, 11)},
}
_FIRST_WITH_INT4: Release = (2, 17)
"""4-bit kernels with a scale per channel: 2.14 refuses int8 x int4 whatever the operator's version says."""
_TFLITE_RUNTIME_ON_PYPI: tuple[Release, Release] = ((2, 5), (2, 14))
"""First and last release that has wheels."""
_STATED = re.compile(rb"(\d+)\.(\d+)(\.\d+)?")
_FIRST_LITERT = "1.0"
"""ai-edge-litert goes on where tflite-runtime ends, from TensorFlow Lite 2.17 on."""

_ONNXRUNTIME_OF_OPSET: dict[int, Release] = {
    11: (1, 0),
    12: (1, 3),
    13: (1, 7),
    14: (1, 8),
    15: (1, 10),
    16: (1, 11),
    17: (1, 12),
    18: (1, 14),
    19: (1, 15),
    20: (1, 17),
    21: (1, 18),
    22: (1, 20),
    23: (1, 23),
}
_ONNXRUNTIME_OF_IR: dict[int, Release] = {7: (1, 5), 8: (1, 10), 9: (1, 15), 10: (1, 18), 11: (1, 22)}
_ONNXRUNTIME_OF_CONTRIB: dict[str, Release] = {"MatMulNBits": (1, 17)}
_CONTRIB = "com.microsoft"
_STANDARD = ("", "ai.onnx")


def oldest_tflite_runtime(file: TfliteFile) -> dict[str, str]:
    """Oldest releases of TensorFlow Lite (Android, iOS, C++), and of the Python packages that carry it; `UNKNOWN` where
    no converter stated one: not every operator's versions are known here."""
    stated = _STATED.fullmatch(file.metadata.get("min_runtime_version", b"").rstrip(b"\0"))
    if stated is None:
        return {"tensorflow-lite": UNKNOWN}
    needed = [(int(stated[1]), int(stated[2]))]
    for operator, version in file.operator_versions.items():
        table = _TFLITE_OF_OPERATOR.get(operator, {})
        needed += [release for since, release in table.items() if since <= version]
    if any(tensor.dtype == "int4" for _, tensor in file.constants()):
        needed.append(_FIRST_WITH_INT4)
    release = max(needed)
    first, last = _TFLITE_RUNTIME_ON_PYPI
    found = {"tensorflow-lite": _text(release), "ai-edge-litert": _FIRST_LITERT}
    if release <= last:
        found["tflite-runtime"] = _text(max(release, first))
    return dict(sorted(found.items()))


def oldest_onnxruntime(
    ir_version: int, opsets: dict[str, int], operators: Collection[tuple[str, str]]
) -> dict[str, str]:
    """Oldest release of ONNX Runtime, from the file format's version, the operator sets, and operators of its own;
    `UNKNOWN` where the file is newer than what is known here, or has operators that are not.

    Args:
        ir_version: Of the file.
        opsets: Domain to version.
        operators: Domain and name of each.
    """
    opset = opsets.get("", opsets.get("ai.onnx", 1))
    own = {name for domain, name in operators if domain == _CONTRIB}
    strange = own - _ONNXRUNTIME_OF_CONTRIB.keys() or {d for d, _ in operators} - {*_STANDARD, _CONTRIB}
    if strange or opset > max(_ONNXRUNTIME_OF_OPSET) or ir_version > max(_ONNXRUNTIME_OF_IR):
        return {"onnxruntime": UNKNOWN}
    needed = [_newest(_ONNXRUNTIME_OF_OPSET, opset), _newest(_ONNXRUNTIME_OF_IR, ir_version)]
    needed += [_ONNXRUNTIME_OF_CONTRIB[name] for name in own]
    return {"onnxruntime": _text(max(needed))}


def _newest(table: dict[int, Release], version: int) -> Release:
    return max((release for since, release in table.items() if since <= version), default=(1, 0))


def _text(release: Release) -> str:
    return f"{release[0]}.{release[1]}"
