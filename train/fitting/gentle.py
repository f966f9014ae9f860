"""Kernels that are small move by as much less: a step of Adam is about the rate, whatever a weight's size.

Where a normalization was folded into a kernel, or where it takes pixels of 0 to 255, its weights may be of the rate's
own size, and a few steps make another network of it. LAMB (You et al. 2020) gives every kernel steps in proportion to
its size; here only those get smaller ones that need them, so that all others are fitted as they always were.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require

__all__ = ["gently"]

_USUAL = 0.03
"""Root mean square of a kernel's weights, but for zeros, from which on its steps are whole: initializers begin above it
with up to a thousand inputs and as many outputs."""


def gently(variables: Sequence[Any], step: Callable[[Any], object]) -> Callable[[Any], object]:
    """The step, after which small kernels have gone a share of their way; `step` itself where none is small.

    Args:
        variables: What the step changes, with the values that the fit begins with.
        step: Takes their gradients; it runs in TensorFlow's graphs.
    """
    tf = require("tensorflow", extra="toolkit")
    kernels = {place: each.numpy() for place, each in enumerate(variables) if len(each.shape) > 1}
    sizes = {place: _size(kernel) for place, kernel in kernels.items()}
    shares = {place: size / _USUAL for place, size in sizes.items() if 0 < size < _USUAL}
    if not shares:
        return step

    def shortened(gradients: Any) -> None:
        before = {place: tf.identity(variables[place]) for place in shares}
        step(gradients)
        for place, share in shares.items():
            variables[place].assign(before[place] + share * (variables[place] - before[place]))

    return shortened


def _size(kernel: NDArray[np.float32]) -> float:
    present = kernel[kernel != 0]
    return float(np.sqrt(np.mean(np.square(present)))) if present.size else 0.0
