"""What each task is fitted by: the loss, and how right answers become its targets."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.quality import QUALITY, Metric
from edgepress.runtime.tasks import Task

from .epochs import one_hot

__all__ = ["OBJECTIVES", "Objective", "objective_of"]

_SMALLEST = 1e-7
_HUBER = 1.0
"""Standard deviations of the target up to which an error counts squared (Huber 1964)."""

Loss = Callable[[Any, Any, bool], Any]


class Objective(NamedTuple):
    """How a task is fitted. Losses take targets, outputs and whether these are logits; they give one number a row."""

    loss: Loss
    encode: Callable[[NDArray[Any], Task, float], NDArray[np.float32]]
    """Right answers, the task, and a smoothing share, to the loss's targets (n, ...)."""
    learns_inputs: bool = False
    """Whether an example is its own target."""
    augmented: bool = True
    """Whether distorted examples keep their target."""
    right: Loss | None = None
    """Share of rows whose target's largest class was named; None where there are no classes."""

    def metric(self, task: Task) -> Metric:
        """The task's own."""
        return QUALITY[task.kind].metric


def _cross_entropy(targets: Any, outputs: Any, logits: bool) -> Any:
    tf = require("tensorflow", extra="toolkit")
    if logits:
        return tf.nn.softmax_cross_entropy_with_logits(targets, outputs)
    return -tf.reduce_sum(targets * tf.math.log(tf.maximum(outputs, _SMALLEST)), axis=-1)


def _binary_cross_entropy(targets: Any, outputs: Any, logits: bool) -> Any:
    tf = require("tensorflow", extra="toolkit")
    if logits:
        losses = tf.nn.sigmoid_cross_entropy_with_logits(targets, outputs)
    else:
        yes, no = tf.maximum(outputs, _SMALLEST), tf.maximum(1 - outputs, _SMALLEST)
        losses = -(targets * tf.math.log(yes) + (1 - targets) * tf.math.log(no))
    return tf.reduce_mean(losses, axis=-1)


def _either(targets: Any, outputs: Any, logits: bool) -> Any:
    """Of two classes: one output or two."""
    if outputs.shape[-1] == 1:
        return _binary_cross_entropy(targets[..., 1:], outputs, logits)
    return _cross_entropy(targets, outputs, logits)


def _named_rightly(targets: Any, outputs: Any, logits: bool) -> Any:
    tf = require("tensorflow", extra="toolkit")
    if outputs.shape[-1] == 1:
        said = tf.cast(outputs[..., 0] > (0.0 if logits else 0.5), tf.int64)
    else:
        said = tf.argmax(outputs, axis=-1)
    return tf.reduce_mean(tf.cast(said == tf.argmax(targets, axis=-1), tf.float32))


def _huber(targets: Any, outputs: Any, logits: bool) -> Any:
    tf = require("tensorflow", extra="toolkit")
    gaps = tf.abs(targets - outputs)
    small = tf.minimum(gaps, _HUBER)
    return tf.reduce_mean(small * (gaps - small / 2), axis=-1)


def _squared_error(targets: Any, outputs: Any, logits: bool) -> Any:
    tf = require("tensorflow", extra="toolkit")
    flat = tf.reshape(outputs, (tf.shape(outputs)[0], -1))
    return tf.reduce_mean(tf.square(tf.reshape(targets, tf.shape(flat)) - flat), axis=-1)


def _classes(answers: NDArray[Any], task: Task, smoothing: float) -> NDArray[np.float32]:
    return one_hot(answers, len(task.labels), smoothing)


def _labels(answers: NDArray[Any], task: Task, smoothing: float) -> NDArray[np.float32]:
    smoothed: NDArray[np.float32] = (answers * (1 - smoothing) + smoothing / 2).astype(np.float32)
    return smoothed


def _numbers(answers: NDArray[Any], task: Task, smoothing: float) -> NDArray[np.float32]:
    return task.encode(answers)


OBJECTIVES: dict[str, Objective] = {
    "multiclass": Objective(_cross_entropy, _classes, right=_named_rightly),
    "binary": Objective(_either, _classes, right=_named_rightly),
    "multilabel": Objective(_binary_cross_entropy, _labels),
    "regression": Objective(_huber, _numbers),
    "anomaly": Objective(_squared_error, _numbers, learns_inputs=True, augmented=False),
}


def objective_of(task: Task) -> Objective:
    """The row of a task that can be fitted."""
    return OBJECTIVES[task.kind]
