"""Chunks of any size in, windows that overlap out, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

__all__ = ["Windows"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AT_ONCE = 32
"""Windows that are given together at most: what backends are quick at, and little memory."""


class Windows:
    """Keeps what the next windows need, and no more."""

    def __init__(self, size: int, hop: int, width: tuple[int, ...], dtype: str) -> None:
        """`size` and `hop` in samples; `width`: shape of one sample, () for sound; `dtype` of the windows."""
        self.size, self.hop = size, hop
        self.start = 0
        """Of the next window, in samples from the stream's start."""
        self._buffer = np.empty((size + _AT_ONCE * hop, *width), dtype)
        self._filled = 0

    @property
    def end(self) -> int:
        """How many samples have come."""
        return self.start + self._filled

    @property
    def longest(self) -> int:
        """Samples of the longest part that `push` gives."""
        return len(self._buffer)

    def push(self, samples: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Take samples (n, *width). Yields parts of them, each with the windows (m, size, *width) that it completes;
        m may be 0, and `start` is the first one's until the next part is asked for."""
        while len(samples):
            part = samples[: len(self._buffer) - self._filled]
            samples = samples[len(part) :]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            count = max(0, (self._filled - self.size) // self.hop + 1)
            yield part, np.array([self._buffer[i * self.hop : i * self.hop + self.size] for i in range(count)])
            used = count * self.hop
            if used:
                kept = self._filled - used
                self._buffer[:kept] = self._buffer[used : self._filled].copy()
                self._filled, self.start = kept, self.start + used
