"""Run artifacts on samples, in a process of their own, through the runtime that people will use.

TensorFlow's build of TFLite and the runtime's must not meet in one process: together they can die without a word.
Also the child's program: `python -m edgepress.export.fidelity.measure FOLDER`.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.child import run_module
from edgepress.data.rows import open_npy, save_npy
from edgepress.runtime import Artifact, EdgepressError, TensorSpec
from edgepress.runtime.batches import run_batches

from ..samples import Samples

__all__ = ["Outputs", "Runs", "run_artifacts", "to_real"]

Outputs = dict[str, NDArray[np.float32]]
"""Output name to real numbers, shape (n, ...)."""
_SILENT_SECONDS = 300.0
"""Without a sign of life, after which a file counts as one that never ends."""
_PORTION = 256
"""Samples after which the process gives a sign of life."""
_ALIVE = "alive"
_AT_ONCE = 2
"""Processes side by side: each computes in one thread, and holds a model in memory."""


class Runs:
    """`run_artifacts` on files that appear one by one, beside what makes the next ones."""

    def __init__(self, folder: Path, samples: Samples) -> None:
        """Arguments as `run_artifacts` has them."""
        self._folder, self._samples = folder, samples
        self._waiting: list[Artifact] = []
        self._begun: list[Future[dict[str, Outputs | str]]] = []
        self._thread = ThreadPoolExecutor(max_workers=1)

    def __enter__(self) -> "Runs":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def add(self, artifact: Artifact) -> None:
        """One more, which is whole now; those that come while others run are run together."""
        self._waiting.append(artifact)
        if all(each.done() for each in self._begun):
            self._begun.append(self._thread.submit(run_artifacts, self._folder, self._waiting, self._samples))
            self._waiting = []

    def answers(self) -> dict[str, Outputs | str]:
        """Of all files, as `run_artifacts` gives them."""
        found = run_artifacts(self._folder, self._waiting, self._samples, at_once=_AT_ONCE) if self._waiting else {}
        self._waiting = []
        for each in self._begun:
            found |= each.result()
        return found


def run_artifacts(
    folder: Path, artifacts: Sequence[Artifact], samples: Samples, *, delegate: bool = False, at_once: int = 1
) -> dict[str, Outputs | str]:
    """Every artifact's outputs for every sample.

    Args:
        folder: Where the files are.
        artifacts: Which of them, with their tensors.
        samples: Real numbers; integer tensors are quantized and dequantized.
        delegate: Whether backends use their default delegates.
        at_once: How many processes share the files.

    Returns:
        File name to outputs, or to the reason why the runtime does not run it.
    """
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(max_workers=at_once) as pool:
        given = Path(name)
        for place, values in enumerate(samples.inputs.values()):
            save_npy(given / f"input-{place}.npy", values)
        (given / "inputs.json").write_text(json.dumps(list(samples.inputs)))
        files = [artifact.file for artifact in artifacts]
        shares = [share for part in range(at_once) if (share := files[part::at_once])]
        found: dict[str, Outputs | str] = {}
        for answered in pool.map(lambda share: _run_share(folder, share, given, delegate), shares):
            found |= answered
        return found


def _run_share(folder: Path, files: Sequence[str], given: Path, delegate: bool) -> dict[str, Outputs | str]:
    results: dict[str, Outputs | str] = {}
    with tempfile.TemporaryDirectory(dir=given) as name:
        exchange, waiting = Path(name), list(files)
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
    given = exchange.parent
    names = json.loads((given / "inputs.json").read_text())
    inputs = {name: open_npy(given / f"input-{place}.npy") for place, name in enumerate(names)}
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
