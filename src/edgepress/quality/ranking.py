"""Areas under the ROC curve: how often a positive example is ranked above a negative one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["area_under_curve"]


def area_under_curve(scores: NDArray[Any], positive: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    """The Mann-Whitney statistic of weighted examples, ties counted half; 0.5 where a side is empty.

    Args:
        scores: Higher means more likely positive. Shape (n,); NaN ranks lowest.
        positive: The truth. Shape (n,).
        weights: Of the examples. Shape (n,).
    """
    scores = np.where(np.isnan(scores), -np.inf, scores)
    _, rank = np.unique(scores, return_inverse=True)
    up = np.bincount(rank, weights=weights * positive)
    down = np.bincount(rank, weights=weights * ~positive)
    total = up.sum() * down.sum()
    if not total:
        return 0.5
    below = np.cumsum(down) - down
    return float((up * (below + down / 2)).sum() / total)
