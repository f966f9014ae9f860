"""Golden vectors, tolerances, and the conformance check that stands before every publication."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.files import write_file
from edgepress.runtime import Artifact, Manifest
from edgepress.runtime.backends import Backend, backends_of
from edgepress.runtime.bundle.manifest import MANIFEST_NAME
from edgepress.runtime.conformance.golden import SELFTEST_NAME, Vectors, reference_outputs
from edgepress.runtime.conformance.matrix import Matrix, conformance, default_tolerance, quantum, setting_name
from edgepress.runtime.conformance.tensors import Tensors, by_name

__all__ = ["verify"]


def verify(
    folder: Path,
    manifest: Manifest,
    vectors: Vectors,
    golden: int,
) -> tuple[Manifest, Matrix]:
    """Run every artifact in every backend that is here, delegates on and off, twice in fresh processes.

    Args:
        folder: The bundle in the making: the artifacts are there.
        manifest: What is known of it so far.
        vectors: Held-back inputs, with their classes where the models are classifiers. No outputs yet.
        golden: How many of them, from the first, become the bundle's self-test; fewer of very large ones.

    Returns:
        The manifest with tolerances and self-test, without the artifacts that failed; and the matrix. The self-test is
        written; the failed files are gone.
    """
    write_file(folder / MANIFEST_NAME, manifest.to_json())
    outputs = reference_outputs(folder, vectors.feed)
    manifest = manifest._replace(artifacts=tuple(_with_tolerance(a, outputs) for a in manifest.artifacts))
    write_file(folder / MANIFEST_NAME, manifest.to_json())
    matrix = conformance(folder, vectors=replace(vectors, outputs=outputs))
    for file in matrix.refused:
        (folder / file).unlink()
    kept = tuple(artifact for artifact in manifest.artifacts if artifact.file not in matrix.refused)
    selftest = replace(vectors, outputs={a.file: outputs[a.file] for a in kept}).first(golden)
    # Dynamic ONNX files take one scale from all rows of a batch: beside fewer rows, each has another answer.
    dynamic = [a.file for a in kept if a.format == "onnx" and a.variant.startswith("dynamic")]
    again = reference_outputs(folder, selftest.feed, files=dynamic) if dynamic else {}
    replace(selftest, outputs={**selftest.outputs, **again}).write(folder / SELFTEST_NAME)
    return manifest._replace(artifacts=kept, selftest=SELFTEST_NAME), matrix


def _with_tolerance(artifact: Artifact, outputs: dict[str, Tensors]) -> Artifact:
    if artifact.file not in outputs:
        return artifact
    tolerance = {
        setting_name(backend.name, delegate, name): _tolerance(artifact, backend, delegate, expected)
        for backend in backends_of(artifact.format)
        for delegate in backend.delegates
        for name, expected in by_name(outputs[artifact.file]).items()
    }
    return artifact._replace(tolerance=tolerance)


def _tolerance(artifact: Artifact, backend: Backend, delegate: bool, expected: NDArray[Any]) -> float:
    if artifact.variant == "float16" and delegate:
        # The file allows half precision throughout, which XNNPACK takes on processors that compute in it.
        return 0.01 * max(1.0, float(np.abs(expected).max(initial=0)))
    if artifact.variant == "int16x8" and not delegate:
        # Kernels with 16-bit activations round otherwise since tflite-runtime 2.14: by 2 of 65,536 quanta on MNIST.
        return 4.0
    if artifact.variant == "int8-float-io" and delegate:
        # Integers inside, as in int8: the same 16 quanta, here in real numbers.
        return 16 * quantum(expected)
    return default_tolerance(artifact, backend, delegate, expected)
