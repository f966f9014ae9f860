"""What a model file really holds, read from the file itself."""

from dataclasses import replace
from pathlib import Path

from edgepress.runtime import InputError
from edgepress.runtime.bundle.source import Source, read_source

from .describe_onnx import describe_onnx
from .describe_tflite import describe_tflite
from .description import Description

__all__ = ["describe"]


def describe(path: Path) -> Description:
    """Read a `.tflite`, `.tflite.xz` or `.onnx` file.

    Raises:
        InputError: None of them, or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no model file at {path}: name a .tflite, .tflite.xz or .onnx file, or a bundle")
    if path.name.endswith(".tflite.xz"):
        found = describe_tflite(path.name, read_source(Source(str(path), "tflite")).data)
        return replace(found, metadata=found.metadata | {"packed": f"{path.stat().st_size:,} bytes"})
    content = path.read_bytes()
    if content[4:8] == b"TFL3":
        return describe_tflite(path.name, content)
    if path.suffix == ".onnx":
        return describe_onnx(path.name, content)
    raise InputError(f"{path} is neither TFLite (its fifth to eighth bytes are not TFL3) nor named .onnx")
