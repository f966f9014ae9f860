"""How a row answered, and how that compares with the baseline: for every task the fields of `Row` that tell it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.quality import Quality, paired_interval, quality_of, sqnr_db
from edgepress.runtime import CheckFailedError
from edgepress.runtime.tasks import Task

from ..values import Metric, Told
from .curves import CURVES
from .intervals import Pairs, score_difference
from .margins import Margin, judge_difference, margin_of
from .metrics import Answers, agreement, compare, describe, verdict

__all__ = ["TRIVIAL", "Judge", "Said"]

Said = Mapping[str, NDArray[Any]]
"""What a model said: under an empty name the answers in the form of `Quality.answers`; of a raw model its outputs by
name."""

TRIVIAL = {
    "multiclass": "the most frequent class for every example",
    "binary": "the more frequent class for every example",
    "multilabel": "every label for every example",
    "regression": "the training targets' mean for every example",
    "anomaly": "one score for every example",
}
"""The answer that looks at no input, in words."""
_DECIBELS = "dB"
_TOLD = 12


class _Trivial(NamedTuple):
    """How the baseline compares with the answer that looks at no input."""

    value: float
    beaten: bool


@dataclass(frozen=True, eq=False)
class Judge:
    """Judges what models say about the same examples."""

    task: Task
    truth: NDArray[Any] | None
    """As the data set has it, (n,) or (n, k); None where nothing is known to be right."""
    fitted: NDArray[Any] | None
    """Likewise of the training part, from which the trivial answer comes."""
    base: Said
    """What the float model says."""
    seed: int
    margin_value: float | None = None
    """None for the default of the task's unit."""

    @property
    def quality(self) -> Quality | None:
        """By what answers are judged; None of raw models."""
        return quality_of(self.task)

    @property
    def margin(self) -> Margin | None:
        """The largest loss that counts as none; None of raw models, where nothing is known to be right."""
        return None if self.quality is None else margin_of(self.quality.metric, self.margin_value)

    @cached_property
    def trivial(self) -> _Trivial | None:
        """The trivial answer's value, and whether the baseline is better beyond chance; None without truth."""
        if self.quality is None or self.truth is None or self.fitted is None:
            return None
        answers = self.base[""]
        if self.task.classifies:
            # The closed form, which needs no array of classes by examples.
            usual = int(np.bincount(self.fitted).argmax())
            pairs = Pairs.count(self.truth == usual, Answers(answers).labels == self.truth)
            return _Trivial(float((self.truth == usual).mean()), score_difference(pairs)[0] > 0)
        return _Trivial(*self.quality.beats_trivial(answers, self.fitted, self.truth, seed=self.seed))

    def facts(self, own: Said) -> dict[str, Any]:
        """Fields of `Row`."""
        if self.quality is None:
            return _raw_facts(own, self.base)
        return self._alike(own[""]) | ({} if self.truth is None else self._right(own[""]))

    def _alike(self, own: NDArray[Any]) -> dict[str, Any]:
        """What can be said without knowing what is right."""
        base, quality = self.base[""], self.quality
        assert quality is not None
        found: dict[str, Any] = {"scores": None, "comparison": None, "agreement": None}
        if self.task.classifies:
            found["agreement"] = agreement(Answers(own), Answers(base))
        elif self.task.traits.numeric:
            found["metrics"] = {"sqnr_db": sqnr_db(base, own)}
        else:
            found["agreement"] = float(1 - quality.changed(own, base, self.task.threshold).mean())
        return found

    def _right(self, own: NDArray[Any]) -> dict[str, Any]:
        """What is said of labelled examples."""
        truth, quality, margin, trivial = self.truth, self.quality, self.margin, self.trivial
        assert truth is not None
        assert quality is not None
        assert margin is not None
        assert trivial is not None
        base, metric = self.base[""], quality.metric
        curve = CURVES.get(self.task.kind)
        found: dict[str, Any] = {} if curve is None else {"curves": curve(self.task, own, truth)}
        found["metrics"] = {each.name: each.of(own, truth) for each in quality.metrics[1:]}
        if self.task.traits.numeric:
            found["metrics"]["sqnr_db"] = sqnr_db(base, own)
        if self.task.classifies:
            scores, comparison = (
                describe(Answers(own), truth),
                compare(Answers(own), Answers(base), truth, seed=self.seed),
            )
            value, difference = scores.accuracy, comparison.difference_points
            interval = comparison.difference_interval_points
            found |= {"scores": scores, "comparison": comparison}
            found["verdict"] = verdict(comparison.pairs, margin_points=margin.value)
        else:
            difference, *ends = paired_interval(metric, own, base, truth, seed=self.seed)
            value, interval = metric.of(own, truth), (ends[0], ends[1])
            found["verdict"] = judge_difference(metric, interval, trivial.value, len(truth), margin)
            found["told"] = self._told(own)
        unit = self._unit if metric.unit == "target" else metric.unit
        found["metric"] = Metric(metric.name, value, metric.better, unit, difference, interval, trivial.value)
        return found

    @property
    def _unit(self) -> str:
        """The one unit of a regression's numbers; empty where there are several, or none is known."""
        return self.task.units[0] if len(set(self.task.units)) == 1 else ""

    def _told(self, own: NDArray[Any]) -> tuple[Told, ...]:
        """Examples that show the difference: those that moved furthest, of answers that changed where answers can."""
        truth, base, quality = self.truth, self.base[""], self.quality
        assert truth is not None
        assert quality is not None
        moved = np.abs(own.astype(np.float64) - base).reshape(len(own), -1).max(axis=1)
        if not self.task.traits.numeric:
            moved = np.where(quality.changed(own, base, self.task.threshold), moved, 0)
        order = np.argsort(-moved, kind="stable")[:_TOLD]
        say = _WORDS[self.task.kind]
        return tuple(
            Told(int(i), say.truth(self.task, truth[i]), say.answer(self.task, own[i]), say.answer(self.task, base[i]))
            for i in order
            if moved[i] > 0
        )


class _Words(NamedTuple):
    """How one example's truth and answer are told."""

    truth: Callable[[Task, Any], str]
    answer: Callable[[Task, Any], str]


def _labels(task: Task, yes: NDArray[np.bool_]) -> str:
    names = task.labels or tuple(map(str, range(len(yes))))
    return ", ".join(name for name, there in zip(names, yes, strict=True) if there) or "none"


def _numbers(task: Task, values: NDArray[Any]) -> str:
    return ", ".join(f"{value:.5g}" for value in np.atleast_1d(values)[:6])


_WORDS = {
    "multilabel": _Words(
        lambda task, truth: _labels(task, truth.astype(bool)), lambda task, own: _labels(task, own >= task.threshold)
    ),
    "regression": _Words(_numbers, _numbers),
    "anomaly": _Words(
        lambda task, truth: "anomaly" if truth else "normal",
        lambda task, own: f"{'anomaly' if own > task.threshold else 'normal'} (score {own:.4g})",
    ),
}
"""Tasks whose answers are numbers: how far they lie apart counts, not how often they differ."""


def _raw_facts(own: Said, base: Said) -> dict[str, Any]:
    """Of outputs that mean nothing that is known: how much of the float model's numbers is left, at worst."""
    # Formats may name outputs in their own way; their order is the model's.
    pairs = (
        [(base[name], own[name]) for name in base]
        if set(own) == set(base)
        else list(zip(base.values(), own.values(), strict=False))
    )
    worst = min(sqnr_db(theirs, _like(theirs, ours)) for theirs, ours in pairs)
    metric = Metric("sqnr_db", worst, "higher", _DECIBELS, None, None, None)
    return {"scores": None, "comparison": None, "agreement": None, "metric": metric}


def _like(theirs: NDArray[Any], ours: NDArray[Any]) -> NDArray[Any]:
    """Outputs with channels where the other's are: PyTorch has them first.

    Raises:
        CheckFailedError: Outputs of another size.
    """
    if ours.ndim > 2 and ours.shape != theirs.shape:
        for turned in (np.moveaxis(ours, 1, -1), np.moveaxis(ours, -1, 1)):
            if turned.shape == theirs.shape:
                return np.ascontiguousarray(turned)
    if ours.size != theirs.size:
        raise CheckFailedError(
            f"outputs of {ours.shape[1:]} beside the baseline's {theirs.shape[1:]}: "
            "models that give as many numbers are compared"
        )
    return ours
