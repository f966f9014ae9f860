"""Sound of any rate at the rate of the contract, chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgepress.base.extras import require

__all__ = ["Resampler"]

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Resampler:
    """As `read_recording` resamples whole files (soxr, high quality), for what comes in chunks."""

    def __init__(self, rate: float, wanted: float) -> None:
        """From `rate` to `wanted`, in Hz.

        Raises:
            MissingExtraError: soxr is not installed.
        """
        self._stream: Any = None
        if rate != wanted:
            self._stream = require("soxr", extra="audio").ResampleStream(rate, wanted, 1, dtype="float32")

    def push(self, samples: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        """Samples (n,) in, (m,) out; `last` gives what is held back."""
        if self._stream is None:
            return samples
        resampled: NDArray[np.float32] = self._stream.resample_chunk(np.ascontiguousarray(samples), last=last)
        return resampled
