"""What is drawn of a task, as JSON holds it: few points, whatever the number of examples."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime.tasks import Task

__all__ = ["CURVES", "label_f1", "micro_precision_recall", "precision_recall", "residuals", "roc", "score_histogram"]

_POINTS = 100
_SHOWN = 300
_MOST_ANSWERS = 2_000_000
_NUMBERS = 4
_BINS = 30
_THRESHOLD = 0.5

Curve = Callable[[Task, NDArray[Any], NDArray[Any]], dict[str, Any]]
"""From the task, answers and the truth."""


def _steps(scores: NDArray[Any], positive: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many positive and how many negative examples stand at or above each score that occurs, highest first."""
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    ranked = scores[order]
    # Ties are one step: no order among them is better than another.
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    return np.cumsum(positive[order])[ends], np.cumsum(~positive[order])[ends]


def _thinned(points: NDArray[np.float64]) -> list[list[float]]:
    chosen = np.unique(np.linspace(0, len(points) - 1, _POINTS).astype(np.int64))
    rounded: list[list[float]] = np.round(points[chosen], 5).tolist()
    return rounded


def roc(scores: NDArray[Any], positive: NDArray[np.bool_]) -> list[list[float]]:
    """The ROC curve as pairs of false and true positive rate, at most about a hundred; empty where a side is empty."""
    if positive.all() or not positive.any():
        return []
    hits, alarms = _steps(scores, positive)
    return [[0.0, 0.0], *_thinned(np.column_stack([alarms / (~positive).sum(), hits / positive.sum()]))]


def precision_recall(scores: NDArray[Any], positive: NDArray[np.bool_]) -> list[list[float]]:
    """Pairs of recall and precision, at most about a hundred, by falling threshold; empty where a side is empty.

    The last pair is that of naming everything: its precision is the share of positive examples (Davis and Goadrich,
    ICML 2006).
    """
    if positive.all() or not positive.any():
        return []
    hits, alarms = _steps(scores, positive)
    return _thinned(np.column_stack([hits / positive.sum(), hits / (hits + alarms)]))


def micro_precision_recall(answers: NDArray[Any], truth: NDArray[Any]) -> list[list[float]]:
    """Precision and recall over all labels together, each answer of each example counted alike.

    Args:
        answers: Probabilities, (n, labels).
        truth: Whether the label holds, likewise. Of more than two million both are of examples evenly chosen.
    """
    most = max(1, _MOST_ANSWERS // max(1, truth.shape[1]))
    chosen = np.unique(np.linspace(0, len(truth) - 1, min(most, len(truth))).astype(np.int64))
    return precision_recall(np.ravel(answers[chosen]), np.ravel(truth[chosen]).astype(bool))


def residuals(task: Task, answers: NDArray[Any], truth: NDArray[Any]) -> list[dict[str, Any]]:
    """For the first numbers of a regression: name, unit, and pairs of truth and answer minus truth, evenly chosen."""
    chosen = np.unique(np.linspace(0, len(truth) - 1, min(_SHOWN, len(truth))).astype(np.int64))
    found = []
    for place in range(min(_NUMBERS, truth.shape[1])):
        true = truth[chosen, place].astype(np.float64)
        points = np.column_stack([true, answers[chosen, place] - true])
        found.append(
            {
                "name": task.labels[place] if task.labels else f"value{place}",
                "unit": task.units[place] if task.units else "",
                "points": [[float(f"{x:.6g}") for x in pair] for pair in points.tolist()],
            }
        )
    return found


def label_f1(answers: NDArray[Any], truth: NDArray[Any]) -> list[float]:
    """F1 of each label by itself; 0 for one that nobody named or has."""
    said, true = answers >= _THRESHOLD, truth.astype(bool)
    named_or_is = said.sum(axis=0) + true.sum(axis=0)
    hits = 2.0 * (said & true).sum(axis=0)
    found: list[float] = np.divide(hits, named_or_is, out=np.zeros(len(hits)), where=named_or_is > 0).tolist()
    return found


def score_histogram(scores: NDArray[Any], strange: NDArray[np.bool_]) -> dict[str, list[float]]:
    """How often normal examples and anomalies have which score: edges (bins + 1), and counts of both (bins)."""
    finite = scores[np.isfinite(scores)].astype(np.float64)
    if not len(finite):
        return {"edges": [], "normal": [], "anomaly": []}
    # Few anomalies lie so far out that all else would be one bin.
    top = max(float(np.quantile(finite, 0.99)), float(finite.min()) + 1e-12)
    edges = np.linspace(float(finite.min()), top, _BINS + 1)
    counted = {
        name: np.histogram(np.clip(scores[which], edges[0], edges[-1]), edges)[0].tolist()
        for name, which in (("normal", ~strange), ("anomaly", strange))
    }
    return {"edges": edges.tolist(), **counted}


def _ranking(scores: NDArray[Any], positive: NDArray[np.bool_]) -> dict[str, Any]:
    return {"roc": roc(scores, positive), "precision_recall": precision_recall(scores, positive)}


CURVES: dict[str, Curve] = {
    "binary": lambda task, answers, truth: _ranking(answers[:, 1], truth == 1),
    "multilabel": lambda task, answers, truth: {
        "label_f1": label_f1(answers, truth),
        "micro_precision_recall": micro_precision_recall(answers, truth),
    },
    "regression": lambda task, answers, truth: {"residuals": residuals(task, answers, truth)},
    "anomaly": lambda task, answers, truth: {
        **_ranking(answers, truth.astype(bool)),
        "scores": score_histogram(answers, truth.astype(bool)),
    },
}
"""By the task's kind; of what is not here nothing is drawn."""
