"""Weights of few bits, and weights that share a few values.

Integers are symmetric around zero and leave out the lowest one, as TensorFlow Lite's specification of 8-bit weights
has it; the largest weight of each channel is the largest integer, so that a converter that takes its scales from there
finds the same integers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require

__all__ = ["clipping", "is_whole", "nearest", "rounded", "summed", "values_of"]

_FRACTIONS = np.linspace(1.0, 0.3, 29)
_LLOYD_STEPS = 30
_LARGEST = 127
_NEAR = 1e-3
"""Of a step: what float32 makes of whole multiples."""


def rounded(kernel: Any, clip: Any, bits: int, channels: Sequence[int]) -> Any:
    """A kernel's nearest whole multiples of its scales; a tensor of the running backend's.

    Args:
        kernel: Shape (...).
        clip: Part of the largest magnitude that becomes the largest integer, 0 to 1; what is beyond is cut off. Shape
            (...), of length 1 in all but the channels.
        bits: 8, 4 or 2.
        channels: Axes that have a scale for each index; one scale for all where empty.
    """
    ops = require("keras", extra="toolkit").ops
    levels = 2 ** (bits - 1) - 1
    axes = [axis for axis in range(len(kernel.shape)) if axis not in channels]
    largest = ops.max(ops.abs(kernel), axis=axes, keepdims=True) * clip
    scale = ops.where(largest > 0, largest / levels, ops.ones_like(largest))
    return ops.clip(ops.round(kernel / scale), -levels, levels) * scale


def clipping(kernel: NDArray[np.float32], bits: int, channels: Sequence[int]) -> NDArray[np.float32]:
    """Where to cut each channel off so that rounding moves its weights least, in squares; `rounded` takes it.

    With few bits the one largest weight would take the fineness of all others (Banner et al. 2019). 8 bits cut nothing.
    """
    axes = tuple(axis for axis in range(kernel.ndim) if axis not in channels)
    largest = np.abs(kernel).max(axis=axes, keepdims=True)
    best = np.ones_like(largest)
    if bits == 8:
        return best
    levels, least = 2 ** (bits - 1) - 1, np.full_like(largest, np.inf)
    for fraction in _FRACTIONS.astype(np.float32):
        scale = np.where(largest > 0, largest * fraction / levels, np.float32(1))
        error = np.square(np.clip(np.round(kernel / scale), -levels, levels) * scale - kernel)
        error = error.sum(axis=axes, keepdims=True)
        best, least = np.where(error < least, fraction, best), np.minimum(error, least)
    return best


def is_whole(kernel: NDArray[np.float32]) -> bool:
    """Whether all weights are whole multiples of one 127th of the largest: with that scale a file holds these very
    values, and with one for each channel others, and more of them."""
    largest = float(np.abs(kernel).max(initial=0))
    steps = kernel * (_LARGEST / largest) if largest else kernel
    return bool((np.abs(steps - np.rint(steps)) < _NEAR).all())


def values_of(kernel: NDArray[np.float32], count: int, *, zeros: bool) -> NDArray[np.float32]:
    """The values that a kernel's weights share, in ascending order: k-means in one dimension, begun with evenly spread
    centres, which keep the few large weights (Han et al. 2016).

    Args:
        kernel: Any shape.
        count: How many; fewer where it has fewer distinct weights.
        zeros: Whether weights that are exactly zero stay it; zero is then one of them.
    """
    weights = np.sort(kernel[kernel != 0] if zeros else kernel.ravel())
    count = min(count - zeros, len(np.unique(weights)))
    centres = np.linspace(weights[0], weights[-1], count) if count else weights[:0]
    for _ in range(_LLOYD_STEPS if count else 0):
        parts = np.split(weights, np.searchsorted(weights, (centres[1:] + centres[:-1]) / 2))
        moved = np.array([part.mean() if len(part) else old for part, old in zip(parts, centres, strict=True)])
        if np.array_equal(moved, centres):
            break
        centres = moved
    return np.unique(np.append(centres, 0) if zeros else centres).astype(np.float32)


def nearest(kernel: Any, values: Any) -> Any:
    """The place of the value that is nearest to each weight; a tensor of the running backend's, int32.

    Args:
        kernel: Any shape.
        values: In any order. Shape (values,).
    """
    ops = require("keras", extra="toolkit").ops
    order = ops.argsort(values)
    ascending = ops.take(values, order)
    found = ops.searchsorted((ascending[1:] + ascending[:-1]) / 2, ops.reshape(kernel, (-1,)))
    return ops.reshape(ops.cast(ops.take(order, found), "int32"), kernel.shape)


def summed(numbers: Any, index: Any, count: int) -> Any:
    """The sums over all weights that share each value; a tensor of the running backend's, (count,).

    Args:
        numbers: One for each weight. Shape (...).
        index: Which value each weight shares, 0 to `count` - 1. Shape (...), int32.
        count: How many values.
    """
    ops = require("keras", extra="toolkit").ops
    return ops.segment_sum(ops.reshape(numbers, (-1,)), ops.reshape(index, (-1,)), count)
