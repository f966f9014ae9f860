"""A score an example, higher where it is less normal: the area under the ROC curve; and what is not reconstructed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .metric import Metric
from .ranking import area_deviation, area_under_curve

__all__ = ["ANOMALY_AUC", "ERROR_LEFT", "changed", "no_difference"]


def _roc_auc(answers: NDArray[Any], targets: NDArray[Any], weights: NDArray[np.float64]) -> float:
    return area_under_curve(answers, targets.astype(bool), weights)


def _deviation(ours: NDArray[Any], theirs: NDArray[Any], targets: NDArray[Any]) -> float | None:
    return area_deviation(ours, theirs, targets.astype(bool))


def _error_left(outputs: NDArray[Any], inputs: NDArray[Any], weights: NDArray[np.float64]) -> float:
    rows, given = (values.reshape(len(values), -1).astype(np.float64) for values in (inputs, outputs))
    spread, left = (
        np.average(np.square(rows - other).mean(axis=1), weights=weights)
        for other in (np.average(rows, axis=0, weights=weights), given)
    )
    return float(left / max(spread, np.finfo(np.float64).tiny))


ANOMALY_AUC = Metric("roc_auc", _roc_auc, deviation=_deviation)
ERROR_LEFT = Metric("error_left", _error_left, higher=False)
"""Share of the variance of normal examples that is not reconstructed: 0 where all is, 1 for their mean. It takes what
came out in place of answers, and what went in in place of targets, both (n, ...)."""


def no_difference(fitted: NDArray[Any], targets: NDArray[Any], width: int) -> NDArray[np.float32]:
    """The trivial answer: one score for all."""
    return np.zeros(len(targets), np.float32)


def changed(ours: NDArray[Any], theirs: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Which examples change sides of the threshold. Shape (n,)."""
    return (ours > threshold) != (theirs > threshold)
