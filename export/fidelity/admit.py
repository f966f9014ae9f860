"""Golden vectors, tolerances, and the check in every backend that stands before every publication.

A backend with its delegate on or off is judged as the file itself is: its own answers against the float model's, within
the variant's bound. How far they are from the reference's answers decides nothing; it becomes the tolerance that
self-tests on other machines allow, with a margin.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.files import write_file
from edgepress.runtime import Artifact, Manifest
from edgepress.runtime.backends import BACKENDS, Backend, backends_of
from edgepress.runtime.bundle.manifest import MANIFEST_NAME
from edgepress.runtime.conformance.golden import (
    SELFTEST_NAME,
    Vectors,
    outputs_of,
    reference_answers,
    reference_outputs,
)
from edgepress.runtime.conformance.matrix import Cell, Matrix, conformance, quantum, setting_name
from edgepress.runtime.conformance.tensors import Tensors, by_name
from edgepress.runtime.tasks import Task

from ..samples import Samples
from ..variants import VARIANTS, Variant
from .judge import judge
from .measure import Outputs, to_real

__all__ = ["Standard", "verify"]

_MARGIN = 2.0
"""A tolerance is this many times the largest difference that was seen here: another processor may see a larger one."""


@dataclass(frozen=True, eq=False)
class Standard:
    """What one model's artifacts are judged by, on the inputs of the golden vectors."""

    reference: Outputs
    """What the Keras model answers in float32."""
    samples: Samples
    """The same inputs as the model takes them, with the right answers where they are known."""
    task: Task


def verify(
    folder: Path,
    manifest: Manifest,
    vectors: Vectors,
    standards: Mapping[str, Standard],
    variants: Sequence[Variant],
    *,
    golden: int,
) -> tuple[Manifest, Matrix]:
    """Run every artifact in every backend that is here, delegates on and off, twice in fresh processes.

    Args:
        folder: The bundle in the making: the artifacts are there.
        manifest: What is known of it so far.
        vectors: Held-back inputs, with their classes where the models are classifiers. No outputs yet.
        standards: Name of the model to what its artifacts are judged by.
        variants: With the bounds that count.
        golden: How many of the vectors, from the first, become the bundle's self-test; fewer of very large ones.

    Returns:
        The manifest with tolerances and self-test, without the artifacts that failed; and the matrix. The self-test is
        written; the failed files are gone.
    """
    write_file(folder / MANIFEST_NAME, manifest.to_json())
    begun = reference_answers(folder, vectors.feed)
    outputs = outputs_of(begun)
    court = _Court(outputs, standards, {variant.key: variant for variant in variants})
    matrix = conformance(folder, vectors=replace(vectors, outputs=outputs), verdict=court.verdict, begun=begun)
    matrix = Matrix(tuple(_loadable(matrix.cells)))
    for file in matrix.refused:
        (folder / file).unlink()
    kept = tuple(court.with_tolerance(a) for a in manifest.artifacts if a.file not in matrix.refused)
    matrix = Matrix(tuple(_with_tolerance(cell, kept) for cell in matrix.cells))
    selftest = replace(vectors, outputs={a.file: outputs[a.file] for a in kept}).first(golden)
    # One scale for all rows of a batch: beside fewer rows, each has another answer.
    shared = [a.file for a in kept if _variant(a).scale_per_batch]
    again = reference_outputs(folder, selftest.feed, files=shared) if shared else {}
    replace(selftest, outputs={**selftest.outputs, **again}).write(folder / SELFTEST_NAME)
    return manifest._replace(artifacts=kept, selftest=SELFTEST_NAME), matrix


def _variant(artifact: Artifact) -> Variant:
    return VARIANTS[_key(artifact)]


def _key(artifact: Artifact) -> str:
    return f"{artifact.format}:{artifact.variant}"


def _settings(format: str) -> Iterable[tuple[Backend, bool]]:
    """Backends that read the format, here or not, the best first; with their delegates off, and on."""
    for backend in backends_of(format):
        yield from ((backend, delegate) for delegate in backend.delegates)


@dataclass(frozen=True, eq=False)
class _Court:
    """Judges the answers of artifacts, and remembers how far they were from the reference's."""

    outputs: Mapping[str, Tensors]
    """By file name: the reference's answers."""
    standards: Mapping[str, Standard]
    variants: Mapping[str, Variant]
    differences: dict[tuple[str, str], float] = field(default_factory=dict)
    """File and setting to the largest difference, in the unit of the manifest's tolerances."""

    def verdict(self, artifact: Artifact, backend: str, delegate: bool, given: Tensors) -> Sequence[str]:
        """What is wrong with these answers; nothing where they keep the variant's bound."""
        reasons = []
        expected = by_name(self.outputs[artifact.file])
        for name, values in by_name(given).items():
            difference = _difference(values, expected[name])
            self.differences[artifact.file, setting_name(backend, delegate, name)] = difference
            if _is_exact(artifact, BACKENDS[backend], delegate, values) and difference > (
                allowed := _floor(artifact, BACKENDS[backend], delegate, values)
            ):
                what = f"{name} is off" if name else "is off"
                reasons.append(f"{what} by {difference:.4g} quanta, {allowed:.4g} are allowed")
        failure = self._failure(artifact, given)
        return [*reasons, failure] if failure else reasons

    def _failure(self, artifact: Artifact, given: Tensors) -> str | None:
        variant, standard = self.variants[_key(artifact)], self.standards[artifact.model]
        answers, reference = _real(artifact, given), _real(artifact, self.outputs[artifact.file])
        float_answers = _common(standard.reference, answers)
        failure = judge(variant, standard.task, answers, float_answers, standard.samples)[1]
        if failure and judge(variant, standard.task, reference, float_answers, standard.samples)[1]:
            # A file that keeps its bound on all held-back samples may miss it on these few: then the reference's
            # answers, which are as far away, are what this backend is held to.
            return judge(variant, standard.task, answers, reference, standard.samples)[1]
        return failure

    def with_tolerance(self, artifact: Artifact) -> Artifact:
        """With what self-tests allow: a multiple of what was seen here, and the variant's least."""
        tolerance = {}
        for backend, delegate in _settings(artifact.format):
            for name, expected in by_name(self.outputs[artifact.file]).items():
                setting = setting_name(backend.name, delegate, name)
                exact = _is_exact(artifact, backend, delegate, expected)
                floor = _floor(artifact, backend, delegate, expected)
                seen = None if exact else self.differences.get((artifact.file, setting))
                if seen is None and not exact and expected.dtype.kind in "iu":
                    # It is not here: on a device it may be as far off as shortcuts are.
                    floor = max(floor, _floor(artifact, backend, True, expected))
                tolerance[setting] = max(floor, _MARGIN * (seen or 0.0))
        return artifact._replace(tolerance=tolerance)


def _is_exact(artifact: Artifact, backend: Backend, delegate: bool, values: NDArray[Any]) -> bool:
    """Whether the backend must give these very numbers: integers, computed without shortcuts.

    One that computes integers by other means says so in its row, and is judged by the float model alone, as delegates
    are: in a residual network both come out tens of quanta away.
    """
    alike = set(backend.rounds_otherwise).isdisjoint(artifact.operators)
    return values.dtype.kind in "iu" and not delegate and not backend.quanta and alike


def _floor(artifact: Artifact, backend: Backend, delegate: bool, expected: NDArray[Any]) -> float:
    """The least tolerance: the variant's, or what the backend's own row states where that is more."""
    integer, largest = expected.dtype.kind in "iu", float(np.abs(expected.astype(np.float64)).max(initial=0))
    variant = _variant(artifact)
    least = variant.tolerance.of(integer=integer, delegate=delegate, largest=largest)
    if integer:
        return max(least, backend.quanta)
    # Integers inside: what a backend rounds otherwise comes out as steps of real numbers.
    inside = any("int" in kind for kind in artifact.weights)
    steps = backend.quanta * quantum(expected) if backend.quanta and inside else 0.0
    return max(least, steps, backend.dynamic_share * max(1.0, largest) if variant.rounds_rows else 0.0)


def _difference(given: NDArray[Any], expected: NDArray[Any]) -> float:
    distance = np.abs(given.astype(np.float64) - expected.astype(np.float64))
    return float(np.nan_to_num(distance, nan=np.inf).max(initial=0))


def _real(artifact: Artifact, given: Tensors) -> Outputs:
    """Answers as real numbers, by output name."""
    named = by_name(given)
    # One array is the first output.
    specs = {spec.name if len(named) > 1 else "": spec for spec in reversed(artifact.outputs)}
    return {specs[name].name: to_real(specs[name], values) for name, values in named.items()}


def _common(reference: Outputs, answers: Outputs) -> Outputs:
    """The reference of what was answered, in its own order."""
    return {name: values for name, values in reference.items() if name in answers}


def _loadable(cells: Sequence[Cell]) -> Iterable[Cell]:
    """That a backend does not run a kind of operator is no fault, unless it is the format's first, as people use it."""
    for file in dict.fromkeys(cell.artifact for cell in cells):
        own = [cell for cell in cells if cell.artifact == file]
        first = next((name for name in BACKENDS if any(cell.backend == name for cell in own)), "")
        default = max((cell for cell in own if cell.backend == first), key=lambda cell: cell.delegate)
        for cell in own:
            yield replace(cell, status="fail") if cell is default and cell.status == "unsupported" and first else cell


def _with_tolerance(cell: Cell, artifacts: Sequence[Artifact]) -> Cell:
    """With the tolerance that the manifest states, where the artifact has one output."""
    stated = {a.file: a.tolerance for a in artifacts}.get(cell.artifact, {})
    return replace(cell, tolerance=stated.get(setting_name(cell.backend, cell.delegate), cell.tolerance))
