"""Does every artifact give the right answer in every backend that is here? The conformance matrix."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import InputError
from edgepress.base.tables import text_table

from ..backends import Backend
from ..bundle.manifest import Artifact, Manifest
from ..tasks import Task
from ..tasks.multiclass import probabilities
from .golden import Vectors
from .tensors import Tensors, by_name, unnamed
from .trial import PORTION, Answer, run_trial, trial_backends

__all__ = ["Cell", "Matrix", "Verdict", "conformance", "default_tolerance", "quantum", "setting_name"]

_AT_ONCE = 2
"""Settings that are tried side by side: each holds the vectors and a model in memory."""
_AGREEMENT = 0.98
"""A cell whose labels agree with the expected ones on fewer images fails whatever its tolerance says."""


Verdict = Callable[[Artifact, str, bool, Tensors], Sequence[str]]
"""What is wrong with an artifact's answers in a backend (by name) with its delegate on or off; nothing where they are
right."""
_QUANTIZERS = {"QUANTIZE", "QuantizeLinear"}
"""Operators of files whose activations are integers with stored scales."""


def setting_name(backend: str, delegate: bool, output: str = "") -> str:
    """The key of a backend and its delegate setting in a manifest's tolerances: litert, litert+delegate, ...

    Where a model has several outputs, each has tolerances of its own: litert/kind, litert+delegate/kind, ...
    """
    return f"{backend}{'+delegate' if delegate else ''}{f'/{output}' if output else ''}"


def default_tolerance(artifact: Artifact, backend: Backend, delegate: bool, expected: NDArray[Any]) -> float:
    """Largest difference that conforms where the manifest states none, in the unit of the manifest's tolerances.

    int8 is exact without delegates, but for what a backend's row states: how far it is, or the operators that it
    rounds otherwise, which the operators behind them make more of. XNNPACK rescales in float32, which moved
    MNIST logits by up to 14 quanta of 256. Float models differ by the order of their sums; those that quantize
    activations while they run by how each row is rounded, too: their weights are integers, and no scale of an
    activation is stored.
    """
    if np.issubdtype(expected.dtype, np.integer):
        shortcuts = delegate or not set(backend.rounds_otherwise).isdisjoint(artifact.operators)
        return (16.0 if shortcuts else backend.quanta) * (256 if expected.dtype == np.int16 else 1)
    inside = any(kind.startswith(("int", "uint")) for kind in artifact.weights)
    # Integers inside: what a backend rounds otherwise comes out as steps of real numbers.
    steps = backend.quanta * quantum(expected) if backend.quanta and inside else 0.0
    return max(_float_tolerance(artifact, backend, expected), steps)


def _float_tolerance(artifact: Artifact, backend: Backend, expected: NDArray[Any]) -> float:
    largest = max(1.0, float(np.abs(expected).max(initial=0)))
    integer = any("int" in dtype for dtype in artifact.weights)
    rounds_rows = integer and not _QUANTIZERS.intersection(artifact.operators)
    return (backend.dynamic_share if rounds_rows else 1e-5) * largest


def quantum(real: NDArray[Any]) -> float:
    """The smallest step between dequantized outputs; 0 where there is one value alone."""
    gaps = np.diff(np.unique(real))
    gaps = gaps[gaps > 1e-6 * np.abs(real).max(initial=0)]
    return float(gaps.min()) if len(gaps) else 0.0


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
    """Largest difference from the expected output: quanta for integers, absolute for floats. Of several outputs that of
    the one farthest beyond its tolerance, or nearest to it."""
    tolerance: float | None = None
    agreement: float | None = None
    """Share of the images that get the expected output's label; None where nothing is classified."""
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
    def untried(self) -> list[str]:
        """Artifacts of a format that no backend here reads: nothing is known of them."""
        return [cell.artifact for cell in self.cells if not cell.backend]

    @property
    def ok(self) -> bool:
        """Whether something could be tried here, and all that could may be used."""
        return set(self.refused) <= set(self.untried) < {cell.artifact for cell in self.cells}

    def to_dict(self) -> dict[str, Any]:
        """For `--json` and reports."""
        judged = {"ok": self.ok, "refused": self.refused, "untried": self.untried}
        return judged | {"cells": [asdict(cell) for cell in self.cells]}

    def to_text(self) -> str:
        """A table for people."""
        head = ("artifact", "backend", "delegate", "status", "difference", "allowed", "agreement", "accuracy", "reason")
        rows: list[tuple[str, ...]] = []
        for cell in self.cells:
            numbers = (cell.difference, cell.tolerance, cell.agreement, cell.accuracy)
            shown = ("" if n is None else f"{n:.4g}" for n in numbers)
            rows.append(
                (cell.artifact, cell.backend, "on" if cell.delegate else "off", cell.status, *shown, cell.reason)
            )
        return "\n".join(text_table(head, rows, columns="l"))


def conformance(
    folder: str | os.PathLike[str],
    *,
    vectors: Vectors | None = None,
    backends: Sequence[str] | None = None,
    files: Sequence[str] | None = None,
    verdict: Verdict | None = None,
    begun: Mapping[str, Mapping[str, Answer]] | None = None,
) -> Matrix:
    """Run the golden vectors through artifacts and backends, delegates on and off, twice in fresh processes.

    Args:
        folder: A bundle, or the folder that becomes one.
        vectors: Inputs and expected outputs; the bundle's own by default.
        backends: Names; all that are present by default.
        files: Artifacts by file name; all of the manifest's by default.
        verdict: Judges answers; by default they must be the expected ones, within the manifest's tolerances.
        begun: By backend and file, what fresh processes answered already, with delegates off: the first of two runs.

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
    task = manifest.task if manifest.task.classifies else None
    if task is None and vectors.labels is not None:
        # The first schema called every model raw that takes no pictures; labels of samples say what it is.
        task = Task("multiclass", "logits")
    artifacts = [a for a in manifest.artifacts if files is None or a.file in files]
    settings = [
        (backend, delegate, own)
        for backend in trial_backends(backends)
        if (own := [a for a in artifacts if a.format in backend.formats])
        for delegate in backend.delegates
    ]

    def tried(setting: tuple[Backend, bool, list[Artifact]]) -> list[Cell]:
        backend, delegate, own = setting
        ran = {} if delegate or begun is None else begun.get(backend.name, {})
        return _cells(folder, own, vectors, backend, delegate, task, verdict, ran)

    # Each waits for processes of one thread.
    with ThreadPoolExecutor(max_workers=min(_AT_ONCE, os.cpu_count() or 1)) as pool:
        cells = [cell for found in pool.map(tried, settings) for cell in found]
    order = {artifact.file: index for index, artifact in enumerate(artifacts)}
    cells += [
        Cell(a.file, "", False, "unsupported", f"no backend for .{a.format} is here")
        for a in artifacts
        if not any(cell.artifact == a.file for cell in cells)
    ]
    return Matrix(tuple(sorted(cells, key=lambda cell: order[cell.artifact])))


def _cells(
    folder: Path,
    artifacts: list[Artifact],
    vectors: Vectors,
    backend: Backend,
    delegate: bool,
    task: Task | None,
    verdict: Verdict | None,
    ran: Mapping[str, Answer],
) -> list[Cell]:
    def attempt(files: list[str], *, again: bool = False) -> dict[str, Answer]:
        # What differs from process to process does so on any examples. A whole portion: batches are those of before.
        feed = (
            {name: values[:PORTION] for name, values in by_name(vectors.feed).items()}
            if again
            else by_name(vectors.feed)
        )
        return run_trial(folder, files, unnamed(feed), backend=backend.name, delegate=delegate)

    files = [a.file for a in artifacts]
    first = ran if ran.keys() >= set(files) else attempt(files)
    runnable = [file for file, answer in first.items() if answer.output is not None]
    second = attempt(runnable, again=True) if runnable else {}
    cells = []
    for artifact in artifacts:
        one, two = first[artifact.file], second.get(artifact.file)
        cell = _judge(artifact, one, two, vectors, backend, delegate, task, verdict)
        if cell.status in ("fail", "killed") and not (one.alone and (two is None or two.alone)):
            # An artifact that ran earlier in the same process may have spoiled its memory: judge this one by itself.
            one = attempt([artifact.file])[artifact.file]
            two = attempt([artifact.file], again=True)[artifact.file] if one.output is not None else None
            cell = _judge(artifact, one, two, vectors, backend, delegate, task, verdict)
        cells.append(cell)
    return cells


def _judge(
    artifact: Artifact,
    one: Answer,
    two: Answer | None,
    vectors: Vectors,
    backend: Backend,
    delegate: bool,
    task: Task | None,
    verdict: Verdict | None,
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
    stored = vectors.outputs.get(artifact.file)
    if stored is None:
        return replace(cell, status="fail", reason="the golden vectors hold no output for it")
    expected, given, again = by_name(stored), by_name(one.output), by_name(two.output)
    if _form(given) != _form(expected):
        return replace(cell, status="fail", reason=f"gives {_form(given)}, expected {_form(expected)}")
    reasons = []
    if not all(_same(given[name][: len(again[name])], again[name]) for name in given):
        reasons.append("gives another answer in each process")
    gaps = [_gap(artifact, name, backend, delegate, given[name], expected[name]) for name in expected]
    if verdict is not None:
        reasons += verdict(artifact, backend.name, delegate, one.output)
    for gap in gaps if verdict is None else ():
        if gap.difference > gap.tolerance:
            output = f"{gap.output} " if gap.output else ""
            reasons.append(f"{output}is off by {gap.difference:.4g}, {gap.tolerance:.4g} is allowed")
    worst = max(gaps, key=lambda gap: gap.excess)
    agreement = accuracy = None
    if task is not None and len(given) == 1:
        labels, wanted = (_labels(artifact, task, *outputs.values()) for outputs in (given, expected))
        agreement = float(np.mean(labels == wanted)) if len(labels) else 1.0
        accuracy = None if vectors.labels is None else float(np.mean(labels == vectors.labels))
        if verdict is None and agreement < _AGREEMENT:
            reasons.append(f"only {agreement:.1%} of its labels are the expected ones")
    return replace(
        cell,
        status="fail" if reasons else "pass",
        reason="; ".join(reasons),
        difference=worst.difference if np.isfinite(worst.difference) else None,
        tolerance=worst.tolerance,
        agreement=agreement,
        accuracy=accuracy,
    )


def _same(one: NDArray[Any], two: NDArray[Any]) -> bool:
    return np.array_equal(one, two, equal_nan=one.dtype.kind == "f")


class _Gap(NamedTuple):
    """How far one output is from the expected one, and how far it may be."""

    output: str
    difference: float
    tolerance: float

    @property
    def excess(self) -> float:
        """Difference over tolerance."""
        if self.tolerance:
            return self.difference / self.tolerance
        return np.inf if self.difference else 0.0


def _gap(
    artifact: Artifact, output: str, backend: Backend, delegate: bool, given: NDArray[Any], expected: NDArray[Any]
) -> _Gap:
    tolerance = artifact.tolerance.get(setting_name(backend.name, delegate, output))
    if tolerance is None:
        tolerance = default_tolerance(artifact, backend, delegate, expected)
    # A NaN is no answer: it must come out as the largest difference there is, not as none.
    distance = np.abs(given.astype(np.float64) - expected.astype(np.float64))
    return _Gap(output, float(np.nan_to_num(distance, nan=np.inf).max(initial=0)), tolerance)


def _form(tensors: Mapping[str, NDArray[Any]]) -> str:
    """Name, type and shape of each."""
    return ", ".join(f"{name} {array.dtype} {array.shape}".strip() for name, array in sorted(tensors.items()))


def _labels(artifact: Artifact, task: Task, output: NDArray[Any]) -> NDArray[np.int64]:
    """As the task decodes them: one number may stand for two classes."""
    how = artifact.outputs[0].quantization
    shares = probabilities(task, output if how is None else how.dequantize(output))
    indices: NDArray[np.int64] = shares.argmax(axis=1)
    return indices
