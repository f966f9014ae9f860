"""A C header for TensorFlow Lite Micro: the model as an array, and the arena that it needs.

The `tflite-micro` package runs the model as a microcontroller would; it is a TFLite build of its own, so it gets a
process of its own. Also the child's program: `python -m edgepress.export.companions.micro FOLDER`.
"""

import re
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgepress.base.child import run_module
from edgepress.base.extras import require
from edgepress.base.files import write_file
from edgepress.runtime import CheckFailedError

__all__ = ["write_c_header"]

_LARGEST_ARENA = 1 << 24
_SECONDS = 600.0
_ALIGNMENT = 16
"""Of the arena, in bytes."""
_TOLERANCE = 1
"""Quanta: its kernels round halves away from zero (gemmlowp), LiteRT's upwards (ruy)."""


def write_c_header(artifact: Path, inputs: NDArray[np.int8], expected: NDArray[np.int8]) -> Path:
    """Write `<model>-int8.h` beside an int8 `.tflite`, once TensorFlow Lite Micro gives the expected outputs.

    Args:
        artifact: The int8 model file, with one input and one output.
        inputs: Quantized inputs. Shape (n, ...).
        expected: What the reference kernels answer. Shape (n, ...).

    Raises:
        CheckFailedError: TensorFlow Lite Micro refuses the model, or its outputs are off by more than one quantum.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(artifact.read_bytes())
        np.save(folder / "inputs.npy", inputs)
        done = run_module(__name__, name, seconds=_SECONDS)
        if not done.ok:
            raise CheckFailedError(f"{artifact.name} in TensorFlow Lite Micro: {done.reason}")
        outputs, arena = np.load(folder / "outputs.npy"), _arena_bytes(done.stderr)
    difference = int(np.abs(outputs.reshape(expected.shape).astype(int) - expected).max(initial=0))
    if difference > _TOLERANCE:
        raise CheckFailedError(f"{artifact.name} in TensorFlow Lite Micro: outputs are off by {difference} quanta")
    path = artifact.with_suffix(".h")
    write_file(path, _header(artifact.stem, artifact.read_bytes(), arena))
    return path


def _arena_bytes(log: str) -> int:
    """What the recording allocator counted, as whole units of the alignment."""
    match = re.search(r"Arena allocation total (\d+) bytes", log)
    if match is None:
        raise CheckFailedError("TensorFlow Lite Micro did not say how large its arena is: update tflite-micro")
    return -(-int(match[1]) // _ALIGNMENT) * _ALIGNMENT


def _header(stem: str, content: bytes, arena: int) -> str:
    name = re.sub(r"\W", "_", stem)
    guard = f"EDGEPRESS_{name.upper()}_H_"
    rows = [", ".join(f"0x{byte:02x}" for byte in content[i : i + 16]) for i in range(0, len(content), 16)]
    return "\n".join(
        [
            f"// {stem}: an int8 model for TensorFlow Lite Micro, written by edgepress export.",
            f"#ifndef {guard}",
            f"#define {guard}",
            "",
            "// Tensor arena in bytes, as the tflite-micro package counts it on a 64-bit machine.",
            f"#define {name.upper()}_ARENA_BYTES {arena}",
            f"#define {name.upper()}_BYTES {len(content)}",
            "",
            "#ifdef __cplusplus",
            f"alignas(16) const unsigned char {name}[] = {{",
            "#else",
            f"_Alignas(16) static const unsigned char {name}[] = {{",
            "#endif",
            *(f"  {row}," for row in rows),
            "};",
            "",
            f"#endif  // {guard}",
            "",
        ]
    )


def _child(folder: Path) -> None:
    runtime = require("tflite_micro", extra="micro").runtime
    content = (folder / "model.tflite").read_bytes()

    interpreter = runtime.Interpreter.from_bytes(content, arena_size=_LARGEST_ARENA)
    outputs = []
    for row in np.load(folder / "inputs.npy"):
        interpreter.set_input(row[None], 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0))
    np.save(folder / "outputs.npy", np.concatenate(outputs))
    interpreter.print_allocations()


if __name__ == "__main__":
    _child(Path(sys.argv[1]))
