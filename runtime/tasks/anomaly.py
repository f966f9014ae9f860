"""How far each example is from what was learned as normal: `anomaly`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .predictions import Anomalies
from .task import Task

__all__ = ["anomalies", "scores"]

if TYPE_CHECKING:
    from numpy.typing import NDArray


def scores(inputs: NDArray[Any], reconstructions: NDArray[Any]) -> NDArray[np.float32]:
    """Mean squared difference an example, (n,).

    Args:
        inputs: Real numbers that went in. Shape (n, ...).
        reconstructions: Real numbers that came out, as many an example.
    """
    shape = len(inputs), math.prod(inputs.shape[1:])
    gaps = inputs.reshape(shape).astype(np.float64) - reconstructions.reshape(shape)
    found: NDArray[np.float32] = np.square(gaps).mean(axis=1).astype(np.float32)
    return found


def anomalies(task: Task, inputs: NDArray[Any], reconstructions: NDArray[Any]) -> Anomalies:
    """Score examples, and judge them by the task's threshold."""
    found = scores(inputs, reconstructions)
    return Anomalies(found, found <= np.float32(task.threshold))
