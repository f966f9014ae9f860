"""What comes out of a model: one file a task."""

from .predictions import Anomalies, LabelSets, Outputs, Values
from .task import CLASSES, LABELS, NOTHING, NUMBERS, TASKS, Task, Traits

__all__ = [
    "CLASSES", "LABELS", "NOTHING", "NUMBERS", "TASKS", "Anomalies", "LabelSets", "Outputs", "Task", "Traits", "Values",
]  # fmt: skip
