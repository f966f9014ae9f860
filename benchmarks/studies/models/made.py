"""One row: a model's files made, loaded, run and compared with Keras, in a process of its own.

    python -m edgepress.benchmarks.studies.models.made MobileNet runs/models/MobileNet

is what the study runs. What it finds is written as it finds it: a process that dies leaves what it had.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.child import run_module
from edgepress.base.files import file_sha256, write_file

from .rows import CLASSES, ROWS, TINY, Row

__all__ = ["VARIANTS_MADE", "File", "Made", "make_row"]

VARIANTS_MADE = ("tflite:float32", "tflite:int8", "onnx:float32", "onnx:int8")
_RESULT = "result.json"
_KNOWN = ROWS | TINY
_CALIBRATION, _COMPARED = 16, 64
"""Noise pictures that activations' ranges are measured on, and those that answers are compared on."""


@dataclass(frozen=True)
class File:
    """What came of one variant."""

    bytes: int | None = None
    seconds: float | None = None
    """To make it, with what it is made from where nothing was made from that before."""
    sqnr_db: float | None = None
    same_label: float | None = None
    """Share of the noise pictures that get the label which Keras gives them."""
    reason: str = ""
    """Why there is no file, or why it does not run; else why export would withhold it; empty where it is published."""


@dataclass(frozen=True)
class Made:
    """What came of a model."""

    parameters: int | None
    pixels: int
    files: dict[str, File]
    """By the variant's key."""
    ended: str = ""
    """How the process ended that had it, where not well."""


def make_row(name: str, work: Path, *, seconds: float, gigabytes: float) -> Made:
    """Make a row within limits of time and memory, or read what was made before.

    Args:
        name: Of `ROWS` or `TINY`.
        work: The study's folder.
        seconds: That the process may take.
        gigabytes: Of address space, for it and for each process that it starts.
    """
    folder = work / name
    kept = folder / _RESULT
    if kept.exists():
        return _read(kept)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ended = run_module(
        __spec__.name if __spec__ else __name__, name, str(folder), str(gigabytes), str(seconds),
        seconds=seconds, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    (folder / "log").write_text(ended.stderr)
    part = folder / "part.json"
    made = _read(part) if part.exists() else Made(None, _KNOWN[name].pixels, {})
    if not ended.ok:
        lost = {key: File(reason=ended.reason) for key in VARIANTS_MADE if key not in made.files}
        made = Made(made.parameters, made.pixels, made.files | lost, ended.reason)
    _write(kept, made)
    return made


def _read(path: Path) -> Made:
    found = json.loads(path.read_text())
    return Made(**{**found, "files": {key: File(**file) for key, file in found["files"].items()}})


def _write(path: Path, made: Made) -> None:
    write_file(path, json.dumps(asdict(made), indent=2) + "\n")


def _make(row: Row, folder: Path) -> None:
    from edgepress.export.convert import Converter
    from edgepress.export.question import answers_of
    from edgepress.export.samples import Samples
    from edgepress.export.source import open_source
    from edgepress.export.variants import VARIANTS
    from edgepress.runtime.bundle.embedded import Embedded
    from edgepress.runtime.contract import Contract, Tensor
    from edgepress.runtime.tasks import Task

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        model, file = row.model(), Path(scratch, "model.keras")
        model.save(file)
        count = model.count_params()
        pictures = row.noise(model, _CALIBRATION + _COMPARED, seed=2)
        del model
        source = open_source("model", file)
        (name,) = source.model.input_names
        calibration = Samples({name: pictures[:_CALIBRATION]}, None)
        compared = Samples({name: pictures[_CALIBRATION:]}, None)
        task = Task("raw", "raw", tuple(map(str, range(CLASSES))))
        embedded = Embedded(Contract({name: Tensor(pictures.shape[1:])}), task)
        reference = answers_of(source.model, compared)
        chosen = [VARIANTS[key] for key in VARIANTS_MADE]
        converter = Converter(source, calibration, compared, embedded, chosen)
        files: dict[str, File] = {}
        for variant in chosen:
            files[variant.key] = _file(converter, variant, task, reference, compared, Path(scratch))
            _write(folder / "part.json", Made(count, row.pixels, files))


def _file(converter: Any, variant: Any, task: Any, reference: Any, compared: Any, scratch: Path) -> File:
    from edgepress.export.errors import ConversionError
    from edgepress.export.fidelity.judge import judge
    from edgepress.export.fidelity.measure import run_artifacts
    from edgepress.export.inspect.describe import describe
    from edgepress.runtime import Artifact

    started = time.monotonic()
    try:
        path = converter.write(variant, scratch)
    except ConversionError as error:
        return File(reason=str(error))
    seconds = time.monotonic() - started
    found = describe(path)
    artifact = Artifact(
        file=path.name, model="model", format=variant.format, variant=variant.name, sha256=file_sha256(path),
        bytes=found.bytes, inputs=found.inputs, outputs=found.outputs, weights=found.weights,
        sparsity=found.sparsity, operators=found.operators, oldest_runtime=found.oldest_runtime,
    )  # fmt: skip
    (answered,) = run_artifacts(scratch, [artifact], compared).values()
    if isinstance(answered, str):
        return File(found.bytes, seconds, reason=answered)
    metrics, failure = judge(variant, task, answered, reference, compared)
    (ours,), (theirs,) = answered.values(), reference.values()
    same = float(np.mean(ours.argmax(axis=1) == theirs.argmax(axis=1)))
    return File(found.bytes, seconds, metrics.get("sqnr_db"), same, failure or "")


def _limit(gigabytes: float, seconds: float) -> None:
    """For this process and those that it starts: one that outlives it ends too."""
    import resource

    size = int(gigabytes * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))


if __name__ == "__main__":
    _limit(float(sys.argv[3]), float(sys.argv[4]))
    _make(_KNOWN[sys.argv[1]], Path(sys.argv[2]))
