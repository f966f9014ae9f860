"""How much of what numbers say is left: the signal-to-quantization-noise ratio."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["sqnr_db"]


def sqnr_db(reference: NDArray[Any], approximation: NDArray[Any]) -> float:
    """Signal-to-quantization-noise ratio in decibels, 200 at most (equal arrays).

    The signal is what varies around each output channel's mean: an offset that all examples share tells nothing of
    them, and would let a model with two distinct answers pass for exact.
    """
    whole = reference.astype(np.float64).reshape(len(reference), -1)
    signal = float(np.square(whole - whole.mean(axis=0)).sum())
    noise = float(np.square(whole - approximation.reshape(whole.shape)).sum())
    if signal == 0:
        # A constant has nothing but its value: what is lost of that.
        signal = float(np.square(whole).sum())
    if noise == 0 or signal == 0:
        return 200.0 if noise == 0 else 0.0
    return float(min(200.0, 10 * np.log10(signal / noise)))
