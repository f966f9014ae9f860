"""Numbers an example: mean absolute error, root mean square error, R2; the mean over several numbers of each."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .metric import Metric

__all__ = ["MAE", "R2", "RMSE", "changed", "usual_value"]


def _mean(errors: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = weights @ errors / weights.sum()
    return mean


def _mae(answers: NDArray[Any], targets: NDArray[Any], weights: NDArray[np.float64]) -> float:
    return float(_mean(np.abs(answers.astype(np.float64) - targets), weights).mean())


def _rmse(answers: NDArray[Any], targets: NDArray[Any], weights: NDArray[np.float64]) -> float:
    return float(np.sqrt(_mean(np.square(answers.astype(np.float64) - targets), weights)).mean())


def _r2(answers: NDArray[Any], targets: NDArray[Any], weights: NDArray[np.float64]) -> float:
    residual = _mean(np.square(answers.astype(np.float64) - targets), weights)
    spread = _mean(np.square(targets - _mean(targets.astype(np.float64), weights)), weights)
    return float((1 - np.divide(residual, spread, out=np.ones_like(residual), where=spread > 0)).mean())


MAE = Metric("mae", _mae, higher=False, unit="target")
RMSE = Metric("rmse", _rmse, higher=False, unit="target")
R2 = Metric("r2", _r2, unit="")


def usual_value(fitted: NDArray[Any], targets: NDArray[Any], width: int) -> NDArray[np.float32]:
    """The trivial answer: the mean of the targets that were fitted."""
    return np.tile(fitted.mean(axis=0, dtype=np.float64).astype(np.float32), (len(targets), 1))


def changed(ours: NDArray[Any], theirs: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """No number is another answer: how far they lie apart is what counts. Shape (n,)."""
    return np.zeros(len(ours), bool)
