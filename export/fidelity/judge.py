"""Whether an artifact is true to its model: the metrics and the bounds."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.quality import Quality, quality_of, sqnr_db
from edgepress.quality.classes import labels_of, lead
from edgepress.runtime.tasks import Task
from edgepress.runtime.tasks.anomaly import scores

from ..samples import Samples
from ..variants import Variant
from .measure import Outputs

__all__ = ["judge", "sqnr_db"]

_NEAR = 3 * math.sqrt(2)
"""Standard deviations of the noise in the difference of two scores: what noise alone may turn over."""

_SHOWN = 1.96
"""Standard deviations beyond which a paired difference is shown, at 95 %. One is the square root of how many near ties
turned between right and wrong, as of so many coin tosses."""

_LEAST_PROBABILITY = 1 / 512
"""Half a step of 8 bits: what lies below is told apart by no int8 output."""

_Judged = tuple[dict[str, float], str | None]


def judge(variant: Variant, task: Task, outputs: Outputs, reference: Outputs, samples: Samples) -> _Judged:
    """Compare an artifact with the Keras model that it was made from, in both directions.

    Args:
        variant: States the bounds.
        task: What the first output answers.
        outputs: What the artifact answered.
        reference: What the model answered in float32, under the same names.
        samples: The held-back examples; without targets outputs are compared as numbers alone.

    Returns:
        Metrics: the task's own, `difference` (artifact minus model, in points or percent) and, of a classifier,
        agreement; for all sqnr_db. And why it must not be published, in one line with figures, or None where it keeps
        its bounds.
    """
    if not all(np.isfinite(values).all() for values in outputs.values()):
        return {}, "its outputs are not finite"
    ratios = {name: sqnr_db(*(_said(task, samples, each[name]) for each in (reference, outputs))) for name in reference}
    metrics = {"sqnr_db": min(ratios.values())}
    quality = quality_of(task)
    deciding = None if quality is None else quality.deciding(samples.targets)
    # Normal examples alone tell nothing of how well others are told from them.
    judged = quality is not None and deciding is quality.metric
    first = next(iter(reference))
    if deciding is not None and not judged:
        metrics[deciding.name] = deciding.of(outputs[first], samples.first)
    # Classes and labels tell of the first output. The others, and what has no targets, are judged as numbers.
    exempt = first if judged and task.traits.discrete else None
    worst = min((name for name in ratios if name != exempt), key=ratios.__getitem__, default=None)
    if worst is not None and ratios[worst] < variant.min_sqnr_db:
        what = f"SQNR of output {worst}" if len(ratios) > 1 else "SQNR"
        failure = f"{what} {ratios[worst]:.1f} dB on {len(samples)} samples; bound {variant.min_sqnr_db:g} dB"
        return metrics | (_measured(quality, task, outputs, samples) if quality and judged else {}), failure
    if not judged:
        return metrics, None
    assert quality is not None
    found, objection = _by_metric(variant, task, quality, outputs[first], reference[first], samples)
    return metrics | found, objection


def _said(task: Task, samples: Samples, output: NDArray[np.float32]) -> NDArray[np.float32]:
    """The numbers that people see: of an anomaly detector its scores, of every other model the output itself."""
    return scores(samples.first, output) if task.traits.reconstructs else output


def _measured(quality: Quality, task: Task, outputs: Outputs, samples: Samples) -> dict[str, float]:
    assert samples.targets is not None
    answers = quality.answers(task, samples.first, next(iter(outputs.values())))
    return quality.measure(answers, samples.targets)


class _Bound(NamedTuple):
    """How far a metric may be from the model's."""

    allowed: float
    unit: str
    chance: float = 0.0
    """What few examples may show besides, though there is no difference."""


def _by_metric(
    variant: Variant,
    task: Task,
    quality: Quality,
    output: NDArray[np.float32],
    reference: NDArray[np.float32],
    samples: Samples,
) -> _Judged:
    targets = samples.targets
    assert targets is not None
    count, metric = len(targets), quality.metric
    ours = quality.answers(task, samples.first, output)
    theirs = quality.answers(task, samples.first, reference)
    before, after = metric.of(theirs, targets), metric.of(ours, targets)
    if metric.unit == "points":
        # One answer is the finest step that so many examples can show.
        bound = _Bound(max(variant.max_difference_points, 100 / count), "points")
        difference = 100 * (after - before)
    else:
        width = ours.shape[1] if ours.ndim > 1 else 1
        nothing = metric.of(quality.trivial(targets, targets, width), targets)
        bound = _Bound(variant.max_error_percent, "percent of the mean's error")
        difference = metric.weighed(after - before, nothing)
    changed = quality.changed(ours, theirs, task.threshold)
    metrics = quality.measure(ours, targets) | {"difference": difference}
    if metric.unit == "points":
        metrics["difference_points"] = difference
    decided, allowed = 0, count
    if task.traits.discrete:
        metrics["agreement"] = float(1 - changed.mean())
        allowed = variant.answers_may_differ(count)
        near = (
            _near_ties(_scores(task, reference), ours, variant.min_sqnr_db)
            if task.classifies
            else _near_half(_scores(task, reference), ours >= task.threshold, variant.min_sqnr_db)
        )
        decided = int((changed & ~near).sum())
        # Near ties fall either way like coins: few examples show no small difference among them. What changed where the
        # model was decided counts in full.
        turned = changed & near
        if task.classifies:
            turned &= (labels_of(ours) == targets) != (labels_of(theirs) == targets)
        bound = bound._replace(chance=100 * _SHOWN * math.sqrt(turned.sum()) / count)
    if abs(difference) <= bound.allowed + bound.chance + 1e-9 and decided <= allowed:
        return metrics, None
    return metrics, (
        f"{metric.name} {after:.4f} against the model's {before:.4f} on {count} held-back examples, "
        f"{int(changed.sum())} answers changed, {decided} of them where the model was decided; "
        f"bound {bound.allowed:.3g} {bound.unit}"
        + (f" ({bound.chance:.2g} more for chance), {allowed} answers" if task.traits.discrete else "")
    )


def _scores(task: Task, output: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is compared to find the answer. Shape (n, classes), or (n, labels)."""
    values = output.reshape(len(output), -1)
    if not task.classifies:
        return values
    if values.shape[1] == 1:
        values = np.concatenate([-values, values] if task.meaning == "logits" else [1 - values, values], axis=1)
    # As logits, which they were before the softmax: there noise is about as large for every example.
    return values if task.meaning == "logits" else np.log(np.maximum(values, _LEAST_PROBABILITY))


def _spread(reference: NDArray[np.float32], decibels: float) -> float:
    """What noise as large as a variant's bound allows may move a difference of two scores."""
    # An offset that all samples share tells nothing of them: without it, it would count as signal.
    spread = float(np.sqrt(np.square(reference - reference.mean(axis=0), dtype=np.float64).mean()))
    return float(_NEAR * spread * 10 ** (-decibels / 20))


def _near_ties(reference: NDArray[np.float32], answers: NDArray[np.float32], decibels: float) -> NDArray[np.bool_]:
    """Where noise as large as a variant's bound allows may turn the model's answer into the other one.

    Args:
        reference: The model's scores. Shape (n, classes).
        answers: The artifact's probabilities. Shape (n, classes).
        decibels: The bound: power of what the scores say, over that of the noise.

    Returns:
        Shape (n,).
    """
    near: NDArray[np.bool_] = lead(reference, answers) <= _spread(reference, decibels)
    return near


def _near_half(reference: NDArray[np.float32], said: NDArray[np.bool_], decibels: float) -> NDArray[np.bool_]:
    """The same for labels by themselves: whether each one that changed was near its threshold. Shape (n,)."""
    middle = 0.5 if reference.size and reference.min() >= 0 and reference.max() <= 1 else 0.0
    near = np.abs(reference - middle) <= _spread(reference, decibels)
    found: NDArray[np.bool_] = (near | (said == (reference >= middle))).all(axis=-1)
    return found
