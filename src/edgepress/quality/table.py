"""The rows: by what each task is judged."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import InputError
from edgepress.runtime.tasks import Task
from edgepress.runtime.tasks.anomaly import scores
from edgepress.runtime.tasks.multiclass import probabilities
from edgepress.runtime.tasks.multilabel import probabilities as label_probabilities

from . import anomaly, classes, labelsets, numbers
from .metric import Metric, bootstrap

__all__ = ["QUALITY", "Quality", "Standing", "quality_of"]

Real = NDArray[Any]


class Standing(NamedTuple):
    """What others are held against: a model's worth on some examples."""

    metric: Metric
    value: float
    trivial: float
    """The trivial answer's value on them."""

    def drop(self, value: float) -> float:
        """How much worse `value` is, in the unit in which it is judged (`Metric.weighed`); negative where it is
        better."""
        return -self.metric.weighed(self.metric.gain(value, self.value), self.trivial)


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
    alone: Metric | None = None
    """What is left to explain where there are no right answers, of outputs and inputs: a share, the lower the better; a
    model that tells nothing has 1."""
    proper: Metric | None = None
    """A proper score, which tells models apart that are right equally often."""

    @property
    def metric(self) -> Metric:
        """The one that decides."""
        return self.metrics[0]

    def deciding(self, targets: Real | None) -> Metric | None:
        """The metric that such right answers allow. Where there are none, or normal examples alone, it is the one that
        asks for none; None where the task has no such one."""
        if targets is not None and (self.alone is None or len(np.unique(targets)) > 1):
            return self.metric
        return self.alone

    def standing(self, task: Task, inputs: Real, outputs: Real, fitted: Real | None, targets: Real | None) -> Standing:
        """What a model is worth by the metric that its examples' right answers allow.

        Args:
            task: With what these outputs mean.
            inputs: Real numbers that went in. Shape (n, ...).
            outputs: Real numbers that came out. Shape (n, ...).
            fitted: Right answers from which the trivial answer comes.
            targets: Those of the examples.

        Raises:
            InputError: Nothing is known to be right, and the task asks for it.
        """
        metric = self.deciding(targets)
        if metric is None or (metric is self.metric and fitted is None):
            raise InputError(f"there are no right answers, and {self.metric.name} is measured by them: give targets")
        if targets is None or fitted is None or metric is self.alone:
            return Standing(metric, metric.of(outputs, inputs), 1.0)
        answers = self.answers(task, inputs, outputs)
        nothing = self.trivial(fitted, targets, answers.shape[1] if answers.ndim > 1 else 1)
        return Standing(metric, metric.of(answers, targets), metric.of(nothing, targets))

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
        (anomaly.ANOMALY_AUC,), _anomaly_answers, anomaly.no_difference, anomaly.changed, anomaly.ERROR_LEFT
    ),
}
"""By the task's kind; what is not here (`raw`) has no targets, and is compared with its own model alone."""


def quality_of(task: Task) -> Quality | None:
    """The row of a task; None for one that has no targets."""
    return QUALITY.get(task.kind)
