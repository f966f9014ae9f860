"""Whether an artifact is true to its model: the metrics and the bounds."""

import math

import numpy as np
from numpy.typing import NDArray

from ..samples import Samples
from ..variants import Variant
from .measure import Outputs

__all__ = ["judge", "sqnr_db"]

_NEAR = 3 * math.sqrt(2)
"""Standard deviations of the noise in the difference of two scores: what noise alone may turn over."""

_TOSSES = 2.0
"""Standard deviations of as many coin tosses, which are their square root, that near ties may lean to one side."""


def judge(
    variant: Variant, outputs: Outputs, reference: Outputs, samples: Samples
) -> tuple[dict[str, float], str | None]:
    """Compare an artifact with the Keras model that it was made from, in both directions.

    Args:
        variant: States the bounds.
        outputs: What the artifact answered.
        reference: What the model answered in float32, under the same names.
        samples: The held-back data; with labels the first output counts as a classifier's.

    Returns:
        Metrics: for a classifier accuracy, difference_points (artifact minus model) and agreement; for all sqnr_db. And
        why it must not be published, in one line with figures, or None where it keeps its bounds.
    """
    if not all(np.isfinite(values).all() for values in outputs.values()):
        return {}, "its outputs are not finite"
    ratios = {name: sqnr_db(reference[name], outputs[name]) for name in reference}
    metrics = {"sqnr_db": min(ratios.values())}
    # Labels tell of the first output. The others are judged as numbers.
    classes = next(iter(reference)) if samples.labels is not None else None
    worst = min((name for name in ratios if name != classes), key=ratios.__getitem__, default=None)
    if worst is not None and ratios[worst] < variant.min_sqnr_db:
        what = f"SQNR of output {worst}" if len(ratios) > 1 else "SQNR"
        return metrics, f"{what} {ratios[worst]:.1f} dB on {len(samples)} samples; bound {variant.min_sqnr_db:g} dB"
    if classes is None:
        return metrics, None
    assert samples.labels is not None
    found, failure = _judge_classes(variant, outputs[classes], reference[classes], samples.labels)
    return metrics | found, failure


def _judge_classes(
    variant: Variant, scores: NDArray[np.float32], reference: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[dict[str, float], str | None]:
    count = len(labels)
    answered, expected = scores.argmax(-1), reference.argmax(-1)
    right, right_before = answered == labels, expected == labels
    lost, gained = int((right_before & ~right).sum()), int((right & ~right_before).sum())
    changed = answered != expected
    near = changed & _near_ties(reference, answered, variant.min_sqnr_db)
    decided = int((changed & ~near).sum())
    allowed = variant.answers_may_differ(count)
    # Near ties fall either way: what coins would give is no difference between the models.
    chance = int(_TOSSES * math.sqrt((near & (right != right_before)).sum()))
    may_differ = max(allowed, chance)
    metrics = {
        "accuracy": float(right.mean()),
        "difference_points": 100 * (gained - lost) / count,
        "agreement": float(1 - changed.mean()),
    }
    if abs(gained - lost) <= may_differ and decided <= allowed:
        return metrics, None
    return metrics, (
        f"accuracy {right.mean():.4f} against the model's {right_before.mean():.4f} ({gained} gained, {lost} lost), "
        f"{int(changed.sum())} of {count} answers changed, {decided} of them where the model was decided; "
        f"bound {variant.max_difference_points:g} points: a difference of {may_differ}, {allowed} decided ones"
    )


def _near_ties(reference: NDArray[np.float32], answered: NDArray[np.int64], decibels: float) -> NDArray[np.bool_]:
    """Where noise as large as a variant's bound allows may turn the model's answer into the other one.

    Args:
        reference: The model's scores. Shape (n, classes).
        answered: The other classes. Shape (n,).
        decibels: The bound: power of what the scores say, over that of the noise.

    Returns:
        Shape (n,).
    """
    # An offset that all samples share tells nothing of them: without it, it would count as signal.
    spread = float(np.sqrt(np.square(reference - reference.mean(axis=0), dtype=np.float64).mean()))
    rows = np.arange(len(reference))
    margins = reference.max(axis=-1) - reference[rows, answered]
    near: NDArray[np.bool_] = margins <= _NEAR * spread * 10 ** (-decibels / 20)
    return near


def sqnr_db(reference: NDArray[np.float32], approximation: NDArray[np.float32]) -> float:
    """Signal-to-quantization-noise ratio in decibels, 200 at most (equal arrays)."""
    signal = float(np.square(reference, dtype=np.float64).sum())
    noise = float(np.square(reference.astype(np.float64) - approximation).sum())
    if noise == 0 or signal == 0:
        return 200.0 if noise == 0 else 0.0
    return float(min(200.0, 10 * np.log10(signal / noise)))
