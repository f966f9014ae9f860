"""What comes out of a model: one file a task."""

from .predictions import Anomalies, LabelSets, Outputs, Values
from .task import MEANINGS, Task

__all__ = ["MEANINGS", "Anomalies", "LabelSets", "Outputs", "Task", "Values"]
