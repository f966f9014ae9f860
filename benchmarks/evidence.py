"""What a thorough benchmark adds to the rows: errors layer by layer, conformance, MLPerf's load generator."""

import logging
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.runtime.conformance.matrix import conformance

from .measure.speed import Pace
from .measure.workers import Worker, WorkerError
from .models.given import Given
from .models.subjects import Subject
from .question import Question
from .report.explain import float_sibling
from .report.ship import choose_row
from .traits import LAYER_BACKENDS
from .values import Report

__all__ = ["conformance_of", "layer_errors", "load_generated"]

_KEY = ("artifact", "backend", "threads")
_LOG = logging.getLogger("edgepress")
_LAYER_EXAMPLES = 64


def load_generated(
    report: Report, rows: Sequence[Subject], subjects: Sequence[dict[str, Any]], question: Question, pace: Pace
) -> dict[str, Any]:
    """LoadGen's scenarios on the chosen row, or on the last one where accuracy could not choose."""
    chosen = choose_row(report) or report.rows[-1]
    row, subject = next(pair for pair in zip(rows, subjects, strict=True) if pair[0].key == chosen.key)
    with tempfile.TemporaryDirectory(prefix="edgepress-") as folder:
        sample, classes = question.examples.write(Path(folder) / "examples"), Path(folder) / "truth.npy"
        truth = question.truth if question.task.classifies else None
        if truth is not None:
            np.save(classes, truth)
        with Worker(_with_examples(subject, sample)) as worker:
            order = {"truth": None if truth is None else str(classes), "seconds": 2.0 if pace.thorough else 0.5}
            return {**dict(zip(_KEY, row.key, strict=True)), "scenarios": worker.ask("mlperf", **order)["scenarios"]}


def layer_errors(
    report: Report, rows: Sequence[Subject], subjects: Sequence[dict[str, Any]], question: Question
) -> dict[str, Any] | None:
    """Where the chosen quantized row loses accuracy, layer by layer; None where that cannot be looked at."""
    chosen = choose_row(report)
    sibling = None if chosen is None else float_sibling(chosen, report.rows)
    # A device has no export stage, and only few backends show a layer's output.
    if chosen is None or sibling is None or chosen.backend not in LAYER_BACKENDS or not find_spec("edgepress.export"):
        return None
    places = {row.key: (row, subject) for row, subject in zip(rows, subjects, strict=True)}
    subject, other = places[chosen.key][1], places[sibling.key][0]
    with tempfile.TemporaryDirectory(prefix="edgepress-") as folder:
        sample = question.examples[:_LAYER_EXAMPLES].write(Path(folder) / "examples")
        try:
            with Worker(_with_examples(subject, sample)) as worker:
                order = {"bundle": subject["bundle"], "file": subject["file"], "float32": other.path.name}
                errors = worker.ask("layers", count=_LAYER_EXAMPLES, **order)["layers"]
        except WorkerError as error:
            _LOG.warning("benchmark: no error by layer: %s", error)
            return None
    return {"artifact": chosen.artifact, "float32": sibling.artifact, "errors": errors}


def _with_examples(subject: dict[str, Any], sample: Path) -> dict[str, Any]:
    return {**subject, "examples": str(sample)}


def conformance_of(models: Sequence[Given]) -> dict[str, Any] | None:
    """The runtime's own check of every artifact in every backend and delegate setting; None without golden vectors, and
    where not one bundle alone was given."""
    (model, *others) = models
    if others or model.manifest is None or model.manifest.selftest is None or not model.path.is_dir():
        return None
    _LOG.info("benchmark: checking conformance")
    return conformance(model.path).to_dict()
