"""Does every artifact give the right answer in every backend that is here? The conformance matrix."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backends import Backend
from .errors import InputError
from .manifest import Artifact, Manifest
from .selftest import Vectors
from .trial import Answer, run_trial, trial_backends

__all__ = ["Cell", "Matrix", "conformance", "default_tolerance", "setting_name"]

_AGREEMENT = 0.98
"""A cell whose labels agree with the expected ones on fewer images fails whatever its tolerance says."""


def setting_name(backend: str, delegate: bool) -> str:
    """The key of a backend and its delegate setting in a manifest's tolerances: litert, litert+delegate, ..."""
    return f"{backend}+delegate" if delegate else backend


def default_tolerance(artifact: Artifact, backend: str, delegate: bool, expected: NDArray[Any]) -> float:
    """Largest difference that conforms where the manifest states none, in the unit of the manifest's tolerances.

    int8 is exact without delegates; XNNPACK rescales in float32, which moved MNIST logits by up to 14 quanta of 256.
    Float models differ by the order of their sums; dynamic ones by how each row is rounded, too.
    """
    if np.issubdtype(expected.dtype, np.integer):
        return 16.0 * (256 if expected.dtype == np.int16 else 1) if delegate else 0.0
    largest = max(1.0, float(np.abs(expected).max(initial=0)))
    return (0.01 if artifact.variant.startswith("dynamic") else 1e-5) * largest


@dataclass(frozen=True)
class Cell:
    """One artifact in one backend with one delegate setting, run twice in fresh processes."""

    artifact: str
    backend: str
    delegate: bool
    status: str
    """`pass`; `fail`: a wrong answer, or another one in each process; `killed`: the process died of it;
    `unsupported`: the backend says that it cannot run this artifact, which is no fault."""
    reason: str = ""
    difference: float | None = None
    """Largest difference from the expected output: quanta for integers, absolute for floats."""
    tolerance: float | None = None
    agreement: float | None = None
    """Share of the images that get the expected output's label."""
    accuracy: float | None = None
    """Share of the images that get their true label, where the vectors have labels."""


@dataclass(frozen=True)
class Matrix:
    """All cells of a bundle."""

    cells: tuple[Cell, ...]

    @property
    def refused(self) -> dict[str, str]:
        """Artifacts that must not be used, with the reason: a cell failed, was killed, or no backend runs it."""
        reasons: dict[str, str] = {}
        for cell in self.cells:
            if cell.status in ("fail", "killed"):
                reasons.setdefault(cell.artifact, f"{setting_name(cell.backend, cell.delegate)}: {cell.reason}")
        for name in {cell.artifact for cell in self.cells} - set(reasons):
            own = [cell for cell in self.cells if cell.artifact == name]
            if not any(cell.status == "pass" for cell in own):
                reasons[name] = own[0].reason
        return dict(sorted(reasons.items()))

    @property
    def ok(self) -> bool:
        """Whether every artifact may be used."""
        return not self.refused

    def to_dict(self) -> dict[str, Any]:
        """For `--json` and reports."""
        return {"ok": self.ok, "refused": self.refused, "cells": [asdict(cell) for cell in self.cells]}

    def to_text(self) -> str:
        """A table for people."""
        head = ("artifact", "backend", "delegate", "status", "difference", "allowed", "agreement", "accuracy", "reason")
        rows: list[tuple[str, ...]] = [head]
        for cell in self.cells:
            numbers = (cell.difference, cell.tolerance, cell.agreement, cell.accuracy)
            shown = ("" if n is None else f"{n:.4g}" for n in numbers)
            rows.append(
                (cell.artifact, cell.backend, "on" if cell.delegate else "off", cell.status, *shown, cell.reason)
            )
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def conformance(
    folder: str | os.PathLike[str],
    *,
    vectors: Vectors | None = None,
    backends: Sequence[str] | None = None,
    files: Sequence[str] | None = None,
) -> Matrix:
    """Run the golden vectors through artifacts and backends, delegates on and off, twice in fresh processes.

    Args:
        folder: A bundle, or the folder that becomes one.
        vectors: Inputs and expected outputs; the bundle's own by default.
        backends: Names; all that are present by default.
        files: Artifacts by file name; all of the manifest's by default.

    Raises:
        InputError: No bundle, no golden vectors, or an artifact that has none.
        MissingExtraError: A backend that was named is not installed.
    """
    folder = Path(folder)
    manifest = Manifest.read(folder)
    if vectors is None:
        if manifest.selftest is None:
            raise InputError(f"{folder} has no golden vectors: export the bundle again")
        vectors = Vectors.read(folder / manifest.selftest)
    artifacts = [a for a in manifest.artifacts if files is None or a.file in files]
    cells: list[Cell] = []
    for backend in trial_backends(backends):
        own = [a for a in artifacts if a.format == backend.format]
        for delegate in (False, True) if backend.name in ("litert", "tflite-runtime") else (False,):
            if own:
                cells += _cells(folder, own, vectors, backend, delegate)
    order = {artifact.file: index for index, artifact in enumerate(artifacts)}
    cells += [
        Cell(a.file, "", False, "unsupported", f"no backend for .{a.format} is here")
        for a in artifacts
        if not any(cell.artifact == a.file for cell in cells)
    ]
    return Matrix(tuple(sorted(cells, key=lambda cell: order[cell.artifact])))


def _cells(folder: Path, artifacts: list[Artifact], vectors: Vectors, backend: Backend, delegate: bool) -> list[Cell]:
    def attempt(files: list[str]) -> dict[str, Answer]:
        return run_trial(folder, files, vectors.images, backend=backend.name, delegate=delegate)

    first = attempt([a.file for a in artifacts])
    runnable = [file for file, answer in first.items() if answer.output is not None]
    second = attempt(runnable) if runnable else {}
    cells = []
    for artifact in artifacts:
        one, two = first[artifact.file], second.get(artifact.file)
        cell = _judge(artifact, one, two, vectors, backend, delegate)
        if cell.status in ("fail", "killed") and not (one.alone and (two is None or two.alone)):
            # An artifact that ran earlier in the same process may have spoiled its memory: judge this one by itself.
            one = attempt([artifact.file])[artifact.file]
            two = attempt([artifact.file])[artifact.file] if one.output is not None else None
            cell = _judge(artifact, one, two, vectors, backend, delegate)
        cells.append(cell)
    return cells


def _judge(
    artifact: Artifact, one: Answer, two: Answer | None, vectors: Vectors, backend: Backend, delegate: bool
) -> Cell:
    cell = Cell(artifact.file, backend.name, delegate, "pass")
    for answer in (one, two):
        if answer is not None and answer.killed:
            return replace(cell, status="killed", reason=answer.killed)
        if answer is not None and answer.refused:
            return replace(cell, status="unsupported", reason=answer.refused)
    assert one.output is not None
    assert two is not None
    assert two.output is not None
    expected = vectors.outputs.get(artifact.file)
    if expected is None:
        return replace(cell, status="fail", reason="the golden vectors hold no output for it")
    if one.output.shape != expected.shape or one.output.dtype != expected.dtype:
        return replace(
            cell,
            status="fail",
            reason=f"gives {one.output.dtype} {one.output.shape}, expected {expected.dtype} {expected.shape}",
        )
    tolerance = artifact.tolerance.get(setting_name(backend.name, delegate))
    if tolerance is None:
        tolerance = default_tolerance(artifact, backend.name, delegate, expected)
    # A NaN is no answer: it must come out as the largest difference there is, not as none.
    distance = np.abs(one.output.astype(np.float64) - expected.astype(np.float64))
    difference = float(np.nan_to_num(distance, nan=np.inf).max(initial=0))
    labels, wanted = _labels(one.output), _labels(expected)
    agreement = float(np.mean(labels == wanted)) if len(labels) else 1.0
    reasons = []
    if not np.array_equal(one.output, two.output, equal_nan=True):
        reasons.append("gives another answer in each process")
    if difference > tolerance:
        reasons.append(f"is off by {difference:.4g}, {tolerance:.4g} is allowed")
    if agreement < _AGREEMENT:
        reasons.append(f"only {agreement:.1%} of its labels are the expected ones")
    return replace(
        cell,
        status="fail" if reasons else "pass",
        reason="; ".join(reasons),
        difference=difference if np.isfinite(difference) else None,
        tolerance=tolerance,
        agreement=agreement,
        accuracy=None if vectors.labels is None else float(np.mean(labels == vectors.labels)),
    )


def _labels(output: NDArray[Any]) -> NDArray[np.int64]:
    indices: NDArray[np.int64] = output.reshape(len(output), int(np.prod(output.shape[1:]))).argmax(axis=1)
    return indices
