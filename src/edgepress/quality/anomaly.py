"""A score an example, higher where it is less normal: the area under the ROC curve."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .metric import Metric
from .ranking import area_deviation, area_under_curve

__all__ = ["ANOMALY_AUC", "changed", "error_left", "no_difference"]


def _roc_auc(answers: NDArray[Any], targets: NDArray[Any], weights: NDArray[np.float64]) -> float:
    return area_under_curve(answers, targets.astype(bool), weights)


def _deviation(ours: NDArray[Any], theirs: NDArray[Any], targets: NDArray[Any]) -> float | None:
    return area_deviation(ours, theirs, targets.astype(bool))


ANOMALY_AUC = Metric("roc_auc", _roc_auc, deviation=_deviation)


def no_difference(fitted: NDArray[Any], targets: NDArray[Any], width: int) -> NDArray[np.float32]:
    """The trivial answer: one score for all."""
    return np.zeros(len(targets), np.float32)


def error_left(inputs: NDArray[Any], outputs: NDArray[Any]) -> float:
    """Share of the variance of normal examples (n, ...) that is not reconstructed: 0 where all is, 1 for their mean."""
    rows, given = (values.reshape(len(values), -1).astype(np.float64) for values in (inputs, outputs))
    spread = np.square(rows - rows.mean(axis=0)).mean()
    return float(np.square(rows - given).mean() / max(spread, np.finfo(np.float64).tiny))


def changed(ours: NDArray[Any], theirs: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Which examples change sides of the threshold. Shape (n,)."""
    return (ours > threshold) != (theirs > threshold)
