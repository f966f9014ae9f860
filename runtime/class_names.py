"""How many numbers an output holds, and what each is called."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgepress.base.errors import InputError

__all__ = ["class_names", "output_classes"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .backends import Session
    from .tasks import Task


def output_classes(session: Session) -> int | None:
    """How many numbers the first output holds for each row; None where the file leaves that open."""
    shape = session.outputs[0].shape[1:] if session.outputs else (0,)
    return math.prod(shape) if min(shape, default=1) >= 0 else None


def class_names(task: Task, outputs: int | None) -> NDArray[np.str_]:
    """The labels, or numbers in their place. Shape (classes,)."""
    # One number tells two classes apart.
    classes = (outputs == 1 and task.traits.classes) or outputs
    if task.labels and classes is not None and len(task.labels) != classes:
        raise InputError(f"the model gives {outputs} numbers and has {len(task.labels)} labels: use run")
    names = np.array(task.labels or range(classes or 0), str)
    names.flags.writeable = False
    return names
