"""Affine quantization, the one place where real numbers become integers and back.

real = (integer - zero_point) * scale        (TensorFlow Lite 8-bit quantization specification)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

__all__ = ["Quantization"]

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Quantization(NamedTuple):
    """How one tensor's integers stand for real numbers."""

    scale: float
    """Real width of one quantum; positive and finite."""
    zero_point: int
    """The integer that stands for 0.0."""
    dtype: str
    """NumPy name of the integer type: int8, uint8 or int16."""

    def quantize(self, real: NDArray[Any]) -> NDArray[Any]:
        """Round real numbers to the nearest quantum (ties to even) and saturate at the type's ends.

        float32 throughout, so that every backend and every processor sees the same integers.
        """
        limits = np.iinfo(self.dtype)
        steps = np.rint(np.asarray(real, np.float32) / np.float32(self.scale)) + np.float32(self.zero_point)
        integers: NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(self.dtype)
        return integers

    def dequantize(self, integers: NDArray[Any]) -> NDArray[np.float32]:
        """The real numbers that `integers` stand for, as float32."""
        steps = integers.astype(np.float32) - np.float32(self.zero_point)
        return steps * np.float32(self.scale)
