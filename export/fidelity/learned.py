"""What files that take learned ranges are held to: the very graph that training rounded in."""

import numpy as np
from numpy.typing import NDArray

from edgepress.quality.classes import labels_of
from edgepress.runtime import Artifact
from edgepress.runtime.conformance.matrix import quantum
from edgepress.runtime.tasks import Task
from edgepress.train import rounding

from ..question import Asked, answers_of
from .measure import Outputs

__all__ = ["from_training", "rounded_answers"]

_DECIDED = 2
"""Quanta between the two best classes from which on no rounding of the last step turns them."""


def rounded_answers(asked: Asked) -> Outputs | None:
    """What the graph with the learned ranges answers on the held-back examples, by output name; None where there are
    none."""
    if not asked.source.ranges:
        return None
    with rounding(asked.source.model, asked.source.ranges, exactly=True):
        return answers_of(asked.source.model, asked.held_back)


def from_training(artifact: Artifact, task: Task, outputs: Outputs, rounded: Outputs) -> dict[str, float]:
    """Metrics of a file with learned ranges: `training_quanta`, how far its first output is from the graph's at most,
    and of a classifier `training_labels`, the share of examples with the graph's label, among those whose two best
    classes are more than two quanta apart in the graph."""
    name = next(iter(rounded))
    given, wanted = outputs[name].reshape(len(outputs[name]), -1), rounded[name].reshape(len(rounded[name]), -1)
    step = artifact.outputs[0].scale or quantum(given)
    if not step:
        # Real numbers that are all one show no step to count in.
        return {}
    metrics = {"training_quanta": float(np.abs(given - wanted).max() / step)}
    if task.classifies and given.shape[1] > 1:
        metrics["training_labels"] = _labels_kept(given, wanted, step)
    return metrics


def _labels_kept(given: NDArray[np.float32], wanted: NDArray[np.float32], step: float) -> float:
    best = np.sort(wanted, axis=1)
    decided = best[:, -1] - best[:, -2] > _DECIDED * step
    kept = labels_of(given) == labels_of(wanted)
    return float(kept[decided].mean()) if decided.any() else 1.0
