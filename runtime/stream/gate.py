"""Where there is sound: louder than the background, which is tracked.

The background's level is a low percentile of the levels of the last seconds, as in the minimum statistics of Martin
(2001, IEEE Trans. Speech and Audio Processing 9(5)): speech pauses, noise does not.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

__all__ = ["QUIETEST_DB", "Gate", "Sound"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FRAME_S = 0.01
_HISTORY_S = 10.0
_PERCENTILE = 10
QUIETEST_DB = -65.0
"""Below full scale: what is quieter is no sound, however quiet the background."""
_PAUSE_S = 0.15
"""A shorter pause is within one sound: the closure of a stop lasts a tenth of a second."""
_SHORTEST_S = 0.05
"""Shorter ones are clicks."""


class Sound(NamedTuple):
    """The loudest sound of a window."""

    onset: int
    """In samples from the stream's start."""
    whole: bool
    """Whether it begins within the window: of the end of a word no answer is an answer about the word."""


class Gate:
    """Follows the level of a stream, frame by frame. Constant memory."""

    def __init__(self, rate: float, gate_db: float, longest: int) -> None:
        """`rate` in Hz; `longest`: samples of the longest part that is pushed, or asked about."""
        self._gate_db = gate_db
        self.frame = max(1, round(rate * _FRAME_S))
        """Samples whose level is one number."""
        seconds = self.frame / rate
        self._pause, self._shortest = round(_PAUSE_S / seconds), max(1, round(_SHORTEST_S / seconds))
        self._history = round(_HISTORY_S / seconds)
        self._levels = np.empty(self._history + 2 * (longest // self.frame + 2))
        self._means = np.empty_like(self._levels)
        self._filled = 0
        self._first = 0
        """Index of the first level that is kept, from the stream's start."""
        self._rest = np.empty(0, np.float32)
        self.loudest_db = -math.inf
        """Of all frames so far, in dB below full scale (a square wave of full scale has 0)."""

    def push(self, samples: NDArray[np.float32], *, silence: bool = False) -> None:
        """Take samples (n,). `silence`: they stand before or behind the stream, and say nothing of its background."""
        samples = np.concatenate([self._rest, samples])
        count = len(samples) // self.frame
        frames = samples[: count * self.frame].reshape(count, self.frame).astype(np.float64)
        self._rest = samples[count * self.frame :]
        # The variance: a constant offset, as cheap microphones have, is no sound.
        levels = np.full(count, -np.inf) if silence else 10 * np.log10(frames.var(axis=1) + 1e-10)
        self.loudest_db = max(self.loudest_db, float(levels.max(initial=-np.inf)))
        means = frames.mean(axis=1)
        surplus = self._filled + count - len(self._levels)
        if surplus > 0:
            for kept in (self._levels, self._means):
                kept[: self._filled - surplus] = kept[surplus : self._filled].copy()
            self._filled, self._first = self._filled - surplus, self._first + surplus
        self._levels[self._filled : self._filled + count] = levels
        self._means[self._filled : self._filled + count] = means
        self._filled += count

    def offset(self, end: int) -> float:
        """The constant that a cheap microphone adds: the median of the frames' means, with what was known at `end`.

        The mean of a window itself would be moved by the word in it.
        """
        known = slice(*self._known(end))
        means = self._means[known][np.isfinite(self._levels[known])]
        return float(np.median(means)) if len(means) else 0.0

    def _known(self, end: int) -> tuple[int, int]:
        upto = end // self.frame - self._first
        return max(0, upto - self._history), upto

    def loudest(self, start: int, end: int) -> Sound | None:
        """The loudest sound among the samples from `start` to `end`, with what was known at `end`; None: silence."""
        upto = end // self.frame - self._first
        begin = max(0, -(-start // self.frame) - self._first)
        # What ends just before the window belongs to what begins in it.
        before = max(0, begin - self._pause)
        levels = self._levels[before:upto]
        if upto <= begin:
            return None
        known = self._levels[slice(*self._known(end))]
        known = known[np.isfinite(known)]
        # Sorted by halves alone: this is asked of every window.
        at = len(known) * _PERCENTILE // 100
        background = float(np.partition(known, at)[at]) if len(known) else 0.0
        loudness = max(background + self._gate_db, QUIETEST_DB)
        loud = np.flatnonzero(levels > loudness)
        if len(loud) < self._shortest:
            return None
        most, best = 0.0, None
        for run in np.split(loud, np.flatnonzero(np.diff(loud) > self._pause) + 1):
            inside = run[run >= begin - before]
            energy = float(np.power(10.0, levels[inside] / 10).sum())
            if len(inside) >= self._shortest and energy > most:
                most, best = energy, run
        if best is None:
            return None
        onset = before + int(best[0])
        return Sound((self._first + onset) * self.frame, onset >= begin)
