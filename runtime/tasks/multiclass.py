"""One label for each example: `multiclass`, and `binary` with one output or two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgepress.base.errors import InputError

from .numeric import flat, logistic, softmax
from .task import Task

__all__ = ["probabilities"]

if TYPE_CHECKING:
    from numpy.typing import NDArray


def probabilities(task: Task, reals: NDArray[Any]) -> NDArray[np.float32]:
    """Real outputs as the probability of each class. Shape (n, classes); rows sum to 1.

    A single output is the probability, or the logit, of the second class. Two outputs that are sigmoids are brought to
    a sum of 1.

    Raises:
        InputError: Another number of outputs than of labels.
    """
    values = flat(reals)
    if values.shape[1] == 1 and task.traits.classes == 2:
        yes = logistic(values) if task.meaning == "logits" else values
        return np.concatenate([1 - yes, yes], axis=1)
    if task.labels and values.shape[1] != len(task.labels):
        raise InputError(f"the model gives {values.shape[1]} numbers, and there are {len(task.labels)} classes")
    if task.meaning == "logits":
        return softmax(values)
    if task.traits.classes == 2:
        sums = values.sum(axis=1, keepdims=True)
        return (values / np.where(sums > 0, sums, 1)).astype(np.float32)
    return values
