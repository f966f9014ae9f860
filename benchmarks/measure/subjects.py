"""What is measured: the float model and every artifact in its backends."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepress.runtime import InputError, Manifest
from edgepress.runtime.backends import BACKENDS, choose_backends, present_backends

from ..traits import BASELINE_MODEL, BASELINE_VARIANT, KERAS, MODULES
from ..values import Failure

__all__ = ["Subject", "artifact_order", "list_subjects"]


@dataclass(frozen=True)
class Subject:
    """What is measured: an artifact in a backend, or the float Keras model."""

    path: Path
    order: dict[str, Any]
    """As `Worker` takes it."""
    model: str
    artifact: str
    format: str
    variant: str
    backend: str
    threads: int
    sparsity: float

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from the others: artifact, backend, threads."""
        return self.artifact, self.backend, self.threads


def artifact_order(bundle: Path, file: str, backend: str, threads: int = 1) -> dict[str, Any]:
    """What `Worker` is told of an artifact: its default delegate stays on."""
    module = BACKENDS[backend].module
    return {
        "kind": "artifact", "bundle": str(bundle), "file": file, "backend": backend,
        "module": MODULES.get(module, module), "threads": threads, "delegate": True,
    }  # fmt: skip


def list_subjects(
    bundle: Path,
    manifest: Manifest,
    float_model: str | os.PathLike[str] | None,
    backends: Sequence[str],
    threads: int,
) -> tuple[list[Subject], list[Failure]]:
    """The baseline first, then the artifacts in the manifest's order, each in its backends.

    Returns:
        What to measure, and the artifacts that no backend here runs, with the reason.

    Raises:
        InputError: No row at all, or a backend or float model that does not exist.
        MissingExtraError: A backend that was asked for by name is not installed.
    """
    for name in backends:
        if name not in ("auto", "all"):
            choose_backends(name, tuple(format for backend in BACKENDS.values() for format in backend.formats))
    rows: list[Subject] = []
    unrunnable: list[Failure] = []
    for artifact in manifest.artifacts:
        present = present_backends(artifact.format)
        if not present:
            reason = f"no backend for .{artifact.format} is installed here"
            unrunnable.append(Failure(artifact.file, "", threads, reason))
        chosen = [
            backend
            for backend in present
            if "all" in backends or backend in backends or ("auto" in backends and backend == present[0])
        ]
        for backend in chosen:
            order = artifact_order(bundle, artifact.file, backend, threads)
            rows.append(
                Subject(
                    bundle / artifact.file, order, artifact.model, artifact.file, artifact.format, artifact.variant,
                    backend, threads, artifact.sparsity,
                )
            )  # fmt: skip
    if not rows and float_model is None:
        raise InputError(f"{bundle}: no artifact runs in backend {', '.join(backends)}: name another with --backend")
    if float_model is not None:
        path = Path(float_model)
        if not path.exists():
            raise InputError(f"float model {path}: no such file; name the Keras file that the bundle was made from")
        order = {"kind": "keras", "bundle": str(bundle), "path": str(path), "threads": threads}
        # A device that measures has no toolkit.
        from edgepress.train import active_custom

        if (custom := active_custom()) is not None:
            order["custom"] = str(custom.path.resolve())
        keras = Subject(
            path, order, BASELINE_MODEL, path.name, KERAS.format, BASELINE_VARIANT, KERAS.backend, threads, 0.0
        )
        return [keras, *rows], unrunnable
    first = min(range(len(rows)), key=lambda i: (_strangeness(rows[i]), i))
    return [rows[first], *rows[:first], *rows[first + 1 :]], unrunnable


def _strangeness(subject: Subject) -> tuple[bool, bool]:
    """Sorts the best stand-in for the float model first: its float32 artifact, else any float32 one."""
    return subject.variant != BASELINE_VARIANT, subject.model != BASELINE_MODEL
