"""A C header for TensorFlow Lite Micro: the model as an array, and the arena that it needs.

The `tflite-micro` package runs the model as a microcontroller would, and is held to LiteRT's reference kernels. Each is
a TFLite build of its own, so each gets a process of its own. Also the child's program: `python -m
edgepress.export.companions.micro FOLDER micro|reference`.
"""

import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.child import run_module
from edgepress.base.extras import require
from edgepress.base.files import write_file
from edgepress.runtime import CheckFailedError, Task
from edgepress.runtime.contract import Input
from edgepress.runtime.formats.tflite_file import read_tflite

from .c_contract import c_constants, c_types

__all__ = ["reference_answers", "write_c_header"]

_LARGEST_ARENA = 1 << 24
_SECONDS = 600.0
_ALIGNMENT = 16
"""Of the arena, in bytes."""
_TOLERANCE = 1
"""Quanta: its kernels round halves away from zero (gemmlowp), LiteRT's upwards (ruy)."""


def reference_answers(artifact: Path, inputs: Sequence[NDArray[np.int8]]) -> list[NDArray[np.int8]]:
    """What LiteRT's reference kernels answer, one array an output. Shape (n, ...).

    Args:
        artifact: The int8 model file.
        inputs: Quantized, one array an input, in the file's order. Shape (n, ...).

    Raises:
        CheckFailedError: LiteRT does not run the model.
    """
    return _run(artifact, inputs, "reference")[0]


def write_c_header(
    artifact: Path,
    inputs: Sequence[NDArray[np.int8]],
    expected: Sequence[NDArray[np.int8]],
    meaning: tuple[Sequence[tuple[str, Input]], Task] | None = None,
) -> Path:
    """Write `<model>-int8.h` beside an int8 `.tflite`, once TensorFlow Lite Micro gives the expected outputs.

    Args:
        artifact: The int8 model file.
        inputs: Quantized, one array an input, in the file's order. Shape (n, ...).
        expected: What the reference kernels answer, one array an output. Shape (n, ...).
        meaning: Names and contracts of the inputs in the file's order, and the task; where they are known the header
            states them too.

    Raises:
        CheckFailedError: TensorFlow Lite Micro refuses the model, or its outputs are off by more than one quantum.
    """
    outputs, log = _run(artifact, inputs, "micro")
    differences = [
        np.abs(given.reshape(wanted.shape).astype(int) - wanted).max(initial=0)
        for given, wanted in zip(outputs, expected, strict=True)
    ]
    if max(differences) > _TOLERANCE:
        raise CheckFailedError(
            f"{artifact.name} in TensorFlow Lite Micro: outputs are off by {max(differences)} quanta"
        )
    path = artifact.with_suffix(".h")
    write_file(path, _header(artifact.stem, artifact.read_bytes(), _arena_bytes(log), meaning))
    return path


def _run(artifact: Path, inputs: Sequence[NDArray[np.int8]], who: str) -> tuple[list[NDArray[np.int8]], str]:
    """One of `_INTERPRETERS` on every row: its outputs, and what it printed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(artifact.read_bytes())
        np.savez(folder / "inputs.npz", *inputs)
        done = run_module(__name__, name, who, seconds=_SECONDS)
        if not done.ok:
            raise CheckFailedError(
                f"{artifact.name} in {_INTERPRETERS[who].__doc__}: {_reason(done.stderr, done.reason)}"
            )
        with np.load(folder / "outputs.npz") as archive:
            return [archive[key] for key in archive.files], done.stderr


def _reason(log: str, otherwise: str) -> str:
    """What the interpreter itself said before it gave up, such as which operator it does not have."""
    said = [line.strip() for line in log.partition("Traceback")[0].splitlines() if line and "Warning" not in line]
    return ": ".join(said[-2:]) or otherwise


def _arena_bytes(log: str) -> int:
    """What the recording allocator counted, as whole units of the alignment."""
    match = re.search(r"Arena allocation total (\d+) bytes", log)
    if match is None:
        raise CheckFailedError("TensorFlow Lite Micro did not say how large its arena is: update tflite-micro")
    return -(-int(match[1]) // _ALIGNMENT) * _ALIGNMENT


def _header(stem: str, content: bytes, arena: int, meaning: tuple[Sequence[tuple[str, Input]], Task] | None) -> str:
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
            *([c_types(), "", c_constants(name, *meaning), ""] if meaning else []),
            f"#endif  // {guard}",
            "",
        ]
    )


def _micro(content: bytes, outputs: int) -> Callable[[list[NDArray[Any]]], list[NDArray[Any]]]:
    """TensorFlow Lite Micro"""
    runtime = require("tflite_micro", extra="micro").runtime
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=_LARGEST_ARENA)
    interpreter.print_allocations()

    def answer(row: list[NDArray[Any]]) -> list[NDArray[Any]]:
        for index, values in enumerate(row):
            interpreter.set_input(values, index)
        interpreter.invoke()
        return [interpreter.get_output(index) for index in range(outputs)]

    return answer


def _reference(content: bytes, outputs: int) -> Callable[[list[NDArray[Any]]], list[NDArray[Any]]]:
    """LiteRT's reference kernels"""
    library = require("ai_edge_litert.interpreter", extra="toolkit")
    interpreter = library.Interpreter(
        model_content=content, experimental_op_resolver_type=library.OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    taken = [detail["index"] for detail in interpreter.get_input_details()]
    given = [detail["index"] for detail in interpreter.get_output_details()]

    def answer(row: list[NDArray[Any]]) -> list[NDArray[Any]]:
        for index, values in zip(taken, row, strict=True):
            interpreter.set_tensor(index, values)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in given]

    return answer


_INTERPRETERS = {"micro": _micro, "reference": _reference}


def _child(folder: Path, who: str) -> None:
    content = (folder / "model.tflite").read_bytes()
    answer = _INTERPRETERS[who](content, len(read_tflite(content).main.outputs))
    with np.load(folder / "inputs.npz") as archive:
        inputs = [archive[key] for key in archive.files]
    rows = [answer([values[i : i + 1] for values in inputs]) for i in range(len(inputs[0]))]
    np.savez(folder / "outputs.npz", *(np.concatenate(each) for each in zip(*rows, strict=True)))


if __name__ == "__main__":
    _child(Path(sys.argv[1]), sys.argv[2])
