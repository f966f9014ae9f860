"""Numbers for each example: `regression`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgepress.base.errors import InputError

from .predictions import Values
from .task import Task

__all__ = ["values"]

if TYPE_CHECKING:
    from numpy.typing import NDArray


def values(task: Task, reals: NDArray[Any]) -> Values:
    """Decode real outputs (n, ...).

    Raises:
        InputError: Another number of outputs than of names.
    """
    numbers = task.decode(reals)
    if task.labels and numbers.shape[1] != len(task.labels):
        raise InputError(f"the model gives {numbers.shape[1]} numbers, and {len(task.labels)} have names")
    names = task.labels or tuple(f"value{i}" for i in range(numbers.shape[1]))
    return Values(numbers, names, task.units)
