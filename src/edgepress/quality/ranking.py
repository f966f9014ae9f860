"""Areas under the ROC curve: how often a positive example is ranked above a negative one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["area_deviation", "area_under_curve"]

_MOST_PAIRS = 25_000_000
_FEWEST = 20
"""Examples of a side from which on the difference of two areas is taken for normal."""


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


def area_deviation(ours: NDArray[Any], theirs: NDArray[Any], positive: NDArray[np.bool_]) -> float | None:
    """The standard deviation of the difference of two models' areas on the same examples.

    The difference is a mean over pairs of a positive and a negative example (a two-sample U-statistic), of which most
    are 0 where models are alike. Estimates that count the error of a single pair once for each of its examples, as the
    bootstrap and DeLong's do, are then too wide; this one is unbiased (Bamber 1975; Lee 1990, U-Statistics).

    Args:
        ours, theirs: Scores. Shape (n,).
        positive: The truth. Shape (n,).

    Returns:
        None where there are few examples of a side, too many pairs, or so few that differ that none is told.
    """
    ups, downs = int(positive.sum()), int((~positive).sum())
    if min(ups, downs) < _FEWEST or ups * downs > _MOST_PAIRS:
        return None
    # Twice the difference of each pair, which is whole.
    pairs = _twice_above(ours, positive) - _twice_above(theirs, positive)
    total, squares = int(pairs.sum(dtype=np.int64)), int(np.square(pairs).sum(dtype=np.int64))
    rows = int(np.square(pairs.sum(axis=1, dtype=np.int64)).sum())
    columns = int(np.square(pairs.sum(axis=0, dtype=np.int64)).sum())
    # The product of two pairs that share no example has the squared expectation.
    squared = (total**2 - rows - columns + squares) / (ups * (ups - 1) * downs * (downs - 1))
    variance = ((total / (ups * downs)) ** 2 - squared) / 4
    return float(np.sqrt(variance)) if variance > 0 else None


def _twice_above(scores: NDArray[Any], positive: NDArray[np.bool_]) -> NDArray[np.int8]:
    scores = np.where(np.isnan(scores), -np.inf, scores)
    up, down = scores[positive][:, None], scores[~positive][None, :]
    return (up > down).astype(np.int8) + (up >= down).astype(np.int8)
