"""Inputs with a few numbers far out: int8 files cut these off where that makes the model's answers truer.

An int8 input has 256 steps, which reach from the lowest to the highest number of the examples. Of recordings most are
quiet: beside the loudest one they are left with a few steps. Files that take percentiles of the numbers for the ends
(Wu et al. 2020, "Integer Quantization for Deep Learning Inference") saturate beyond them, as every reader does.

Only inputs are cut off. What is inside a model is measured on the inputs that are, and needs no more: on five networks
no percentile of the ranges inside won another 0.5 dB, and most lost some.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.quality import QUALITY, sqnr_db
from edgepress.quality.classes import labels_of
from edgepress.runtime import Quantization
from edgepress.runtime.tasks import Task

__all__ = ["Answers", "Clip", "labels_by", "narrowed"]

Answers = Mapping[str, NDArray[Any]]
"""What a model gives, by output name, (n, ...) each."""

_PERCENTILES = (99.99, 99.9)
"""What stays of an input's numbers at either end, the mildest first; each has to be clearly better than the last."""
_CLEAR_DB = 3.0
"""What a narrower range must win in the model's answers: half of the noise. A step that is not that much finer cannot,
and the model is not asked."""
_FINE_DB = 30.0
"""From here on the input is not what limits a file: 8 bits inside a model come to 35 to 45 dB by themselves."""
_STEPS = 255


class Clip(NamedTuple):
    """Where files with 8 bits cut an input off, and what that wins."""

    low: float
    high: float
    """Real numbers as the model takes them, with 0 between them or at an end."""
    percentile: float
    """Of the calibration examples' numbers that is left at either end."""
    sqnr_db: float
    """Of the model's answers to inputs that are rounded to 256 steps between these ends."""
    whole_sqnr_db: float
    """The same between the lowest and the highest number."""

    def beside(self, whole: tuple[float, float]) -> str:
        """What it is and wins, in half a line, beside the lowest and the highest number."""
        ends = "from {:.3g} to {:.3g}, not {:.3g} to {:.3g}".format(self.low, self.high, *whole)
        return f"{ends}: {self.sqnr_db:.1f} dB instead of {self.whole_sqnr_db:.1f}"


class _Heard(NamedTuple):
    """How near the answers to rounded inputs are to the model's own."""

    sqnr_db: float
    """Of the output that is worst."""
    kept: float
    """Share of the examples with the same label; 1 where a model gives none."""


def narrowed(
    numbers: NDArray[Any],
    whole: tuple[float, float],
    say: Callable[[NDArray[Any]], Answers],
    labels: Callable[[Answers], NDArray[Any] | None],
) -> Clip | None:
    """Where one input is cut off; None where it keeps all.

    Args:
        numbers: Some examples of the input, (n, ...).
        whole: The lowest and the highest number of all of them.
        say: What the model answers to other numbers in their place.
        labels: What it names then, (n,); None of a model that names nothing.
    """
    low, high = min(whole[0], 0.0), max(whole[1], 0.0)
    if not np.isfinite(high - low):
        return None
    ends = [(percent, *_percentile(numbers, percent)) for percent in _PERCENTILES]
    # Half the step is 6 dB less noise. Numbers that are all 0 but for a few leave no range at all.
    ends = [each for each in ends if 0 < each[2] - each[1] <= (high - low) / 10 ** (_CLEAR_DB / 20)]
    if not ends:
        return None
    answers = say(numbers)
    names = labels(answers)

    def heard(low: float, high: float) -> _Heard:
        given = say(_rounded(numbers, low, high))
        ratio = min(sqnr_db(wanted, given[name]) for name, wanted in answers.items())
        again = labels(given)
        return _Heard(ratio, 1.0 if names is None or again is None else float((names == again).mean()))

    best = before = heard(low, high)
    if not before.sqnr_db < _FINE_DB:
        return None
    chosen = None
    for percent, below, above in ends:
        tried = heard(below, above)
        if tried.sqnr_db >= best.sqnr_db + _CLEAR_DB and tried.kept >= best.kept:
            best, chosen = tried, Clip(below, above, percent, round(tried.sqnr_db, 1), round(before.sqnr_db, 1))
    return chosen


def labels_by(task: Task, examples: NDArray[Any]) -> Callable[[Answers], NDArray[Any] | None]:
    """What a model of a task names by its answers to some examples, (n, ...); None where the task names nothing."""

    def labels(answers: Answers) -> NDArray[Any] | None:
        if not task.classifies:
            return None
        return labels_of(QUALITY[task.kind].answers(task, examples, next(iter(answers.values()))))

    return labels


def _percentile(numbers: NDArray[Any], percent: float) -> tuple[float, float]:
    low, high = np.percentile(numbers, [100 - percent, percent])
    return min(float(low), 0.0), max(float(high), 0.0)


def _rounded(numbers: NDArray[Any], low: float, high: float) -> NDArray[np.float32]:
    """As a file with that range takes them."""
    scale = (high - low) / _STEPS
    steps = Quantization(scale, round(-low / scale) + np.iinfo(np.int8).min, "int8")
    return steps.dequantize(steps.quantize(numbers))
