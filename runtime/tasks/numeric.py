"""softmax and the logistic function, once for every stage."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

__all__ = ["flat", "logistic", "softmax"]

if TYPE_CHECKING:
    from numpy.typing import NDArray


def flat(reals: NDArray[Any]) -> NDArray[np.float32]:
    """Outputs (n, ...) as (n, numbers), float32; n may be 0."""
    values = np.asarray(reals, np.float32)
    return values.reshape(len(values), math.prod(values.shape[1:]))


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Along the last axis; rows sum to 1."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: NDArray[Any] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def logistic(logits: NDArray[Any]) -> NDArray[Any]:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(logits))
    shares: NDArray[Any] = np.where(logits >= 0, 1 / (1 + small), small / (1 + small)).astype(logits.dtype)
    return shares
