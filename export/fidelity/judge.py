"""Whether an artifact is true to its model: the metrics and the bounds."""

import numpy as np
from numpy.typing import NDArray

from ..samples import Samples
from ..variants import Variant
from .measure import Outputs

__all__ = ["judge", "sqnr_db"]


def judge(
    variant: Variant, outputs: Outputs, reference: Outputs, samples: Samples
) -> tuple[dict[str, float], str | None]:
    """Compare an artifact with the Keras model that it was made from.

    Args:
        variant: States the bounds.
        outputs: What the artifact answered.
        reference: What the model answered in float32, under the same names.
        samples: The held-back data; with labels the first output counts as a classifier's.

    Returns:
        Metrics: for a classifier accuracy, difference_points (artifact minus model) and agreement; for all sqnr_db. And
        why it must not be published, or None where it keeps its bound.
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
    answered, expected = (of[classes].argmax(-1) for of in (outputs, reference))
    right, right_before = (int((labels == samples.labels).sum()) for labels in (answered, expected))
    count = len(samples)
    metrics |= {
        "accuracy": right / count,
        "difference_points": 100 * (right - right_before) / count,
        "agreement": float((answered == expected).mean()),
    }
    if right_before - right > variant.accuracy_may_drop(count):
        return (
            metrics,
            f"accuracy {right / count:.4f} against the model's {right_before / count:.4f} on {count} held-back images; "
            f"bound {variant.max_drop_points:g} points",
        )
    return metrics, None


def sqnr_db(reference: NDArray[np.float32], approximation: NDArray[np.float32]) -> float:
    """Signal-to-quantization-noise ratio in decibels, 200 at most (equal arrays)."""
    signal = float(np.square(reference, dtype=np.float64).sum())
    noise = float(np.square(reference.astype(np.float64) - approximation).sum())
    if noise == 0 or signal == 0:
        return 200.0 if noise == 0 else 0.0
    return float(min(200.0, 10 * np.log10(signal / noise)))
