"""One label an example: accuracy, and for two classes the area under the ROC curve."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .metric import Metric
from .ranking import area_under_curve

__all__ = ["ACCURACY", "LOG_LOSS", "ROC_AUC", "changed", "labels_of", "lead", "most_frequent"]

# Integer outputs state probabilities of exactly 0, whose logarithm is infinite; Keras clips at the same value.
_SMALLEST = 1e-7


def labels_of(answers: NDArray[Any]) -> NDArray[np.int64]:
    """The most probable class, -1 where there is NaN: no luck makes that a right one. Classes stay as they are."""
    if answers.ndim == 1:
        return answers
    valid = np.isfinite(answers).all(axis=1)
    return np.where(valid, answers.argmax(axis=1), -1)


def _accuracy(answers: NDArray[Any], targets: NDArray[Any], weights: NDArray[np.float64]) -> float:
    return float(((labels_of(answers) == targets) * weights).sum() / weights.sum())


def _log_loss(answers: NDArray[Any], targets: NDArray[Any], weights: NDArray[np.float64]) -> float:
    own = np.nan_to_num(answers[np.arange(len(targets)), targets].astype(np.float64))
    return float((-np.log(np.clip(own, _SMALLEST, 1)) * weights).sum() / weights.sum())


def _roc_auc(answers: NDArray[Any], targets: NDArray[Any], weights: NDArray[np.float64]) -> float:
    return area_under_curve(answers[:, 1], targets == 1, weights)


ACCURACY = Metric("accuracy", _accuracy, prepare=labels_of)
LOG_LOSS = Metric("log_loss", _log_loss, higher=False, unit="")
ROC_AUC = Metric("roc_auc", _roc_auc)


def most_frequent(fitted: NDArray[Any], targets: NDArray[Any], width: int) -> NDArray[np.float32]:
    """The trivial answer: the class that is most frequent among the targets that were fitted, for every example."""
    counts = np.bincount(fitted, minlength=width)
    answer = (np.arange(width) == counts.argmax()).astype(np.float32)
    return np.tile(answer, (len(targets), 1))


def changed(ours: NDArray[Any], theirs: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Which examples get another label. Shape (n,)."""
    return labels_of(ours) != labels_of(theirs)


def lead(scores: NDArray[Any], answers: NDArray[Any]) -> NDArray[Any]:
    """By how much each example's best score leads the one of another's answer; both (n, classes). Shape (n,)."""
    led: NDArray[Any] = scores.max(axis=-1) - scores[np.arange(len(scores)), answers.argmax(axis=-1)]
    return led
