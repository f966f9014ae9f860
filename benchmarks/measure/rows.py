"""What is measured: the float model and every artifact in its backends."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepress.runtime import InputError, Manifest
from edgepress.runtime.backends import BACKENDS, choose_backends, present_backends

__all__ = ["Row", "list_rows"]


@dataclass(frozen=True)
class Row:
    """What is measured: an artifact in a backend, or the float Keras model."""

    subject: dict[str, Any]
    path: Path
    facts: dict[str, Any]
    """What the report says about it before anything is measured."""

    @property
    def key(self) -> dict[str, Any]:
        """What tells it from the other rows."""
        return {name: self.facts[name] for name in ("artifact", "backend", "threads")}


def list_rows(
    bundle: Path,
    manifest: Manifest,
    float_model: str | os.PathLike[str] | None,
    backends: Sequence[str],
    threads: int,
) -> tuple[list[Row], list[dict[str, Any]]]:
    """The baseline first, then the artifacts in the manifest's order, each in its backends.

    Returns:
        The rows, and the artifacts that no backend here runs, with the reason.

    Raises:
        InputError: No row at all, or a backend or float model that does not exist.
        MissingExtraError: A backend that was asked for by name is not installed.
    """
    for name in backends:
        if name not in ("auto", "all"):
            choose_backends(name, tuple(format for backend in BACKENDS.values() for format in backend.formats))
    rows: list[Row] = []
    unrunnable: list[dict[str, Any]] = []
    for artifact in manifest.artifacts:
        present = present_backends(artifact.format)
        if not present:
            reason = f"no backend for .{artifact.format} is installed here"
            unrunnable.append({"artifact": artifact.file, "backend": "", "threads": threads, "reason": reason})
        chosen = [
            backend
            for backend in present
            if "all" in backends or backend in backends or ("auto" in backends and backend == present[0])
        ]
        for backend in chosen:
            subject = {
                "kind": "artifact", "bundle": str(bundle), "file": artifact.file,
                "backend": backend, "threads": threads, "delegate": True,
            }  # fmt: skip
            facts = {
                "model": artifact.model, "artifact": artifact.file, "format": artifact.format,
                "variant": artifact.variant, "backend": backend, "threads": threads, "sparsity": artifact.sparsity,
            }  # fmt: skip
            rows.append(Row(subject, bundle / artifact.file, facts))
    if not rows and float_model is None:
        raise InputError(f"{bundle}: no artifact runs in backend {', '.join(backends)}: name another with --backend")
    if float_model is not None:
        path = Path(float_model)
        if not path.is_file():
            raise InputError(f"float model {path}: no such file; name the .keras file that the bundle was made from")
        subject = {"kind": "keras", "bundle": str(bundle), "path": str(path), "threads": threads}
        facts = {
            "model": "float", "artifact": path.name, "format": "keras", "variant": "float32",
            "backend": "tensorflow", "threads": threads, "sparsity": 0.0,
        }  # fmt: skip
        return [Row(subject, path, facts), *rows], unrunnable
    first = min(range(len(rows)), key=lambda i: (_strangeness(rows[i]), i))
    return [rows[first], *rows[:first], *rows[first + 1 :]], unrunnable


def _strangeness(row: Row) -> tuple[bool, bool]:
    """Sorts the best stand-in for the float model first: its float32 artifact, else any float32 one."""
    return row.facts["variant"] != "float32", row.facts["model"] != "float"
