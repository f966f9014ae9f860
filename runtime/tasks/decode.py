"""From real outputs to a prediction: the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .anomaly import anomalies
from .multilabel import label_sets
from .predictions import Anomalies, LabelSets, Values
from .regression import values
from .task import Task

__all__ = ["DECODERS", "told_by_operator"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

Decode = Callable[[Task, "NDArray[Any]", "NDArray[Any]"], LabelSets | Values | Anomalies]

DECODERS: dict[str, Decode] = {
    "multilabel": lambda task, inputs, outputs: label_sets(task, outputs),
    "regression": lambda task, inputs, outputs: values(task, outputs),
    "anomaly": anomalies,
}
"""From the task, real inputs and real outputs, (n, ...) each. Classifiers have a quicker way of their own, and of a raw
model every output is given (`Outputs`)."""


def told_by_operator(operator: str | None, width: int | None, rank: int, labels: tuple[str, ...] | None) -> Task | None:
    """The task of a file that states none; None where it cannot be told.

    Args:
        operator: As `formats.last_operator` gives it.
        width: Numbers of the first output for each example; None where the file leaves that open.
        rank: Dimensions of that output, the batch included.
        labels: Names that the file carries.
    """
    if rank != 2 or width is None:
        return None
    names = labels or tuple(map(str, range(max(width, 2))))
    if operator == "softmax" and width > 1:
        return Task("binary" if width == 2 else "multiclass", "probabilities", names)
    if operator == "sigmoid":
        if width == 1:
            return Task("binary", "probabilities", names if len(names) == 2 else ("0", "1"))
        return Task("multilabel", "probabilities", names)
    if labels and len(labels) == width > 1:
        # One name an output, and no sigmoid: scores of classes.
        return Task("multiclass", "logits", labels)
    return None
