"""The rows: by what each task is judged."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime.tasks import Task
from edgepress.runtime.tasks.anomaly import scores
from edgepress.runtime.tasks.multiclass import probabilities
from edgepress.runtime.tasks.multilabel import probabilities as label_probabilities

from . import anomaly, classes, labelsets, numbers
from .metric import Metric, bootstrap

__all__ = ["QUALITY", "Quality", "quality_of"]

Real = NDArray[Any]


class Quality(NamedTuple):
    """How one task's answers are judged."""

    metrics: tuple[Metric, ...]
    """The first one decides; the others are told beside it."""
    answers: Callable[[Task, Real, Real], Real]
    """From the task, real inputs (n, ...) and real outputs (n, ...) to the form in which metrics take answers."""
    trivial: Callable[[Real, Real, int], Real]
    """Answers that look at no input: from the targets that were fitted, the targets that are judged, and the number of
    classes or labels."""
    changed: Callable[[Real, Real, float], NDArray[np.bool_]]
    """Which of n examples two models answer otherwise, at the task's threshold."""
    alone: Callable[[Real, Real], float] | None = None
    """What is left to explain where there are no right answers, from inputs and outputs: a share, the lower the better;
    a model that tells nothing has 1."""
    proper: Metric | None = None
    """A proper score, which tells models apart that are right equally often."""

    @property
    def metric(self) -> Metric:
        """The one that decides."""
        return self.metrics[0]

    def measure(self, answers: Real, targets: Real) -> dict[str, float]:
        """All metrics by name."""
        return {metric.name: metric.of(answers, targets) for metric in self.metrics}

    def beats_trivial(self, answers: Real, fitted: Real, targets: Real, *, seed: int = 0) -> tuple[float, bool]:
        """The trivial answer's value, and whether these answers are better beyond chance (paired, 95 %)."""
        width = answers.shape[1] if answers.ndim > 1 else 1
        nothing = self.trivial(fitted, targets, width)
        difference, low, high = bootstrap(self.metric, answers, nothing, targets, seed=seed)
        shown = low > 0 if self.metric.higher else high < 0
        return self.metric.of(nothing, targets), bool(shown and difference != 0)


def _class_answers(task: Task, inputs: Real, outputs: Real) -> Real:
    return probabilities(task, outputs)


def _label_answers(task: Task, inputs: Real, outputs: Real) -> Real:
    return label_probabilities(task, outputs)


def _number_answers(task: Task, inputs: Real, outputs: Real) -> Real:
    return task.decode(outputs)


def _anomaly_answers(task: Task, inputs: Real, outputs: Real) -> Real:
    return scores(inputs, outputs)


QUALITY: dict[str, Quality] = {
    "multiclass": Quality(
        (classes.ACCURACY,), _class_answers, classes.most_frequent, classes.changed, proper=classes.LOG_LOSS
    ),
    "binary": Quality(
        (classes.ACCURACY, classes.ROC_AUC),
        _class_answers,
        classes.most_frequent,
        classes.changed,
        proper=classes.LOG_LOSS,
    ),
    "multilabel": Quality(
        (labelsets.MACRO_F1, labelsets.EXACT_MATCH), _label_answers, labelsets.every_label, labelsets.changed
    ),
    "regression": Quality(
        (numbers.MAE, numbers.RMSE, numbers.R2), _number_answers, numbers.usual_value, numbers.changed
    ),
    "anomaly": Quality(
        (anomaly.ANOMALY_AUC,), _anomaly_answers, anomaly.no_difference, anomaly.changed, anomaly.error_left
    ),
}
"""By the task's kind; what is not here (`raw`) has no targets, and is compared with its own model alone."""


def quality_of(task: Task) -> Quality | None:
    """The row of a task; None for one that has no targets."""
    return QUALITY.get(task.kind)
