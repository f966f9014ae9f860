"""Run artifacts on samples, in a process of their own, through the runtime that people will use.

TensorFlow's build of TFLite and the runtime's must not meet in one process: together they can die without a word.
Also the child's program: `python -m edgepress.export.fidelity.measure FOLDER`.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.child import run_module
from edgepress.data.rows import open_npy, save_npy
from edgepress.runtime import Artifact, EdgepressError, TensorSpec
from edgepress.runtime.batches import run_batches

from ..samples import Samples

__all__ = ["Outputs", "run_artifacts", "to_real"]

Outputs = dict[str, NDArray[np.float32]]
"""Output name to real numbers, shape (n, ...)."""
_SILENT_SECONDS = 300.0
"""Without a sign of life, after which a file counts as one that never ends."""
_PORTION = 256
"""Samples after which the process gives a sign of life."""
_ALIVE = "alive"


def run_artifacts(
    folder: Path, artifacts: Sequence[Artifact], samples: Samples, *, delegate: bool = False
) -> dict[str, Outputs | str]:
    """Every artifact's outputs for every sample.

    Args:
        folder: Where the files are.
        artifacts: Which of them, with their tensors.
        samples: Real numbers; integer tensors are quantized and dequantized.
        delegate: Whether backends use their default delegates.

    Returns:
        File name to outputs, or to the reason why the runtime does not run it.
    """
    with tempfile.TemporaryDirectory() as name:
        exchange = Path(name)
        for place, values in enumerate(samples.inputs.values()):
            save_npy(exchange / f"input-{place}.npy", values)
        (exchange / "inputs.json").write_text(json.dumps(list(samples.inputs)))
        results: dict[str, Outputs | str] = {}
        waiting = [artifact.file for artifact in artifacts]
        while waiting:
            (exchange / "request.json").write_text(
                json.dumps({"files": [str((folder / file).resolve()) for file in waiting], "delegate": delegate})
            )
            done = run_module(__name__, name, seconds=_SILENT_SECONDS, alive=exchange / _ALIVE)
            answered = _collect(exchange, waiting)
            if len(answered) < len(waiting):
                # The files are run in turn: the first without an answer is the one that ended the process.
                answered[waiting[len(answered)]] = f"the process that ran it: {done.reason}"
            results |= answered
            waiting = waiting[len(answered) :]
    return results


def _collect(exchange: Path, files: Sequence[str]) -> dict[str, Outputs | str]:
    answered: dict[str, Outputs | str] = {}
    for i, file in enumerate(files):
        outputs, failure = exchange / f"{i}.npz", exchange / f"{i}.txt"
        if outputs.is_file():
            with np.load(outputs) as archive:
                answered[file] = {key: archive[key] for key in archive.files}
            outputs.unlink()
        elif failure.is_file():
            answered[file] = failure.read_text()
            failure.unlink()
        else:
            break
    return answered


def _child(exchange: Path) -> None:
    names = json.loads((exchange / "inputs.json").read_text())
    inputs = {name: open_npy(exchange / f"input-{place}.npy") for place, name in enumerate(names)}
    request = json.loads((exchange / "request.json").read_text())
    for i, file in enumerate(request["files"]):
        # Written under another name first: a crash in the middle leaves no file that looks whole.
        part = exchange / f"{i}.part.npz"
        try:
            outputs = _run(file, inputs, exchange / _ALIVE, request["delegate"])
        except EdgepressError as error:
            (exchange / f"{i}.txt").write_text(str(error))
            continue
        np.savez(part, **outputs)  # type: ignore[arg-type]
        part.rename(exchange / f"{i}.npz")


def _run(file: str, inputs: Mapping[str, Any], alive: Path, delegate: bool) -> Outputs:
    from edgepress.runtime import load

    parts = []
    with load(file, delegate=delegate) as model:
        for start in range(0, len(next(iter(inputs.values()))), _PORTION):
            parts.append(run_batches(model, {key: rows[start : start + _PORTION] for key, rows in inputs.items()}))
            alive.touch()
        return {
            spec.name: to_real(spec, np.concatenate([part[spec.name] for part in parts]))
            for spec in model.artifact.outputs
        }


def to_real(spec: TensorSpec, values: NDArray[Any]) -> NDArray[np.float32]:
    """A tensor as real numbers: integers dequantized."""
    return spec.quantization.dequantize(values) if spec.quantization else values.astype(np.float32)


if __name__ == "__main__":
    _child(Path(sys.argv[1]))
