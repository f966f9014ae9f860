"""Any number of labels for each example: `multilabel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgepress.base.errors import InputError

from .numeric import flat, logistic
from .predictions import LabelSets
from .task import Task

__all__ = ["label_sets", "probabilities"]

if TYPE_CHECKING:
    from numpy.typing import NDArray


def probabilities(task: Task, reals: NDArray[Any]) -> NDArray[np.float32]:
    """Real outputs as the probability of each label by itself. Shape (n, labels).

    Raises:
        InputError: Another number of outputs than of labels.
    """
    values = flat(reals)
    if task.labels and values.shape[1] != len(task.labels):
        raise InputError(f"the model gives {values.shape[1]} numbers, and there are {len(task.labels)} labels")
    return logistic(values) if task.meaning == "logits" else values


def label_sets(task: Task, reals: NDArray[Any]) -> LabelSets:
    """Decode real outputs (n, labels)."""
    found = probabilities(task, reals)
    names = task.labels or tuple(map(str, range(found.shape[1])))
    chosen = [tuple(name for name, yes in zip(names, row, strict=True) if yes) for row in found >= task.threshold]
    return LabelSets(chosen, found)
