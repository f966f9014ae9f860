"""Any number of labels an example: macro F1 and exact match, at the threshold of one half."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .metric import Metric

__all__ = ["EXACT_MATCH", "MACRO_F1", "changed", "every_label"]

_THRESHOLD = 0.5


def _macro_f1(answers: NDArray[Any], targets: NDArray[Any], weights: NDArray[np.float64]) -> float:
    said, true = answers >= _THRESHOLD, targets.astype(bool)
    hits = (said & true).T @ weights
    named_or_is = said.T @ weights + true.T @ weights
    return float(np.divide(2 * hits, named_or_is, out=np.zeros_like(hits), where=named_or_is > 0).mean())


def _exact_match(answers: NDArray[Any], targets: NDArray[Any], weights: NDArray[np.float64]) -> float:
    right = ((answers >= _THRESHOLD) == targets.astype(bool)).all(axis=1)
    return float((right * weights).sum() / weights.sum())


MACRO_F1 = Metric("macro_f1", _macro_f1)
EXACT_MATCH = Metric("exact_match", _exact_match)


def every_label(fitted: NDArray[Any], targets: NDArray[Any], width: int) -> NDArray[np.float32]:
    """The trivial answer: every label, the best that looks at no input under macro F1.

    The labels that are more often there than not would be a weaker one: F1 is 0 for each that is never named, so that
    random guesses beat it.
    """
    return np.ones((len(targets), width), np.float32)


def changed(ours: NDArray[Any], theirs: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Which examples get another set of labels. Shape (n,)."""
    return ((ours >= threshold) != (theirs >= threshold)).any(axis=1)
