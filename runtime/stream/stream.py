"""A model that listens: chunks of any size in, events out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from edgepress.base.errors import InputError

from ..contract import Audio, Signal
from .event import Event
from .gate import Gate
from .rates import Resampler
from .settings import Settings
from .watchers import WATCHERS, Moment, Watcher
from .windows import Windows

__all__ = ["Stream"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..model import Model

_HIGHEST_RATE, _MOST_MADE = 1e6, 50
"""Of sound that is resampled: in Hz, and how many samples one may become (a few could fill the memory)."""
_SLACK = 1e-3
"""By which floats may be beyond -1 and 1."""


class Stream:
    """Made by `Model.stream`. Chunks may have any size, and the events are the same however the stream is cut.

    Memory is constant: a few windows, and ten seconds of levels. For one thread; the model may be shared.
    """

    def __init__(self, model: Model, rate: float | None = None, **settings: Any) -> None:
        """As `Model.stream`."""
        contract, task = model.contract.only if model.contract else None, model.task
        if not isinstance(contract, Signal | Audio) or task is None:
            what = "something else" if contract is None else f"a {contract.kind}"
            raise InputError(
                f"{model.artifact.file} takes {what}: streams are for signals and audio of a bundle; use predict"
            )
        self._model, self._contract = model, contract
        own = float(contract.rate)
        rate = own if rate is None else float(rate)
        self._rate = own or rate
        """Of the windows, in Hz."""
        self._check_rate(rate, own)
        size = contract.shape[0]
        seconds = size / self._rate
        self.settings = Settings.usual(contract, task, seconds, **settings)
        """Of this stream."""
        hop = max(1, round(self.settings.hop * self._rate))
        averaged = max(1, round(self.settings.smooth * self._rate / hop))
        sound = isinstance(contract, Audio)
        # A pressure in pascals keeps its small changes in float64 alone.
        self._windows = Windows(size, hop, contract.shape[1:], "float32" if sound else "float64")
        self._resampler = Resampler(rate, self._rate)
        self._gain = 10 ** (self.settings.gain_db / 20)
        self.cut_off = 0
        """Samples that were beyond full scale after `gain_db`, so far."""
        self._watcher: Watcher = WATCHERS[task.kind](self.settings, task, averaged)
        self._gate: Gate | None = None
        self._lead, self._length = 0, math.inf
        """Samples before the stream, and with those of the stream once it is finished."""
        if self.settings.gate_db:
            self._gate = Gate(self._rate, self.settings.gate_db, size + self._windows.longest)
            # As if silence had been before: what begins with the stream is in as many windows as all else.
            self._lead = -(-size // self._gate.frame) * self._gate.frame
            self._see(np.zeros(self._lead, np.float32), silence=True)

    @property
    def time(self) -> float:
        """Seconds that have come."""
        return (min(self._windows.end, self._length) - self._lead) / self._rate

    @property
    def loudest_db(self) -> float:
        """Level of the loudest hundredth of a second so far, in dB below full scale; NaN where no gate measures it."""
        return math.nan if self._gate is None else self._gate.loudest_db

    def push(self, chunk: Any) -> list[Event]:
        """What these samples complete.

        Args:
            chunk: Of sound (n,) or (n, channels), which are mixed: floats between -1 and 1, or int16. Of signals (n,
                channels), or (n,) where there is one. n may be 0.

        Raises:
            InputError: Another shape or type, NaN, a stream that is finished.
        """
        self._refuse_finished()
        sound = isinstance(self._contract, Audio)
        samples: NDArray[Any] = self._sound(chunk) if sound else self._samples(chunk)
        return self._see(self._resampler.push(samples) if sound else samples)

    def finish(self) -> list[Event]:
        """The last events; afterwards nothing can be pushed.

        Sound is followed by silence, so that what was heard last is answered, and so is what is shorter than a window.
        """
        self._refuse_finished()
        events = []
        if isinstance(self._contract, Audio):
            events = self._see(self._resampler.push(np.empty(0, np.float32), last=True))
        self._length = self._windows.end
        if not isinstance(self._contract, Audio):
            return events
        short = 0 < self._windows.end < self._windows.size
        if self._gate is not None or short:
            missing = self._windows.size - (0 if self._gate is not None else self._windows.end)
            events += self._see(np.zeros(missing, np.float32), silence=True)
        return events

    def listen(self, chunks: Iterable[Any]) -> Iterator[Event]:
        """The events of chunk after chunk, as they come, and the last ones."""
        for chunk in chunks:
            yield from self.push(chunk)
        yield from self.finish()

    def _see(self, samples: NDArray[Any], *, silence: bool = False) -> list[Event]:
        events: list[Event] = []
        windows = self._windows
        for part, found in windows.push(samples):
            if self._gate is not None:
                self._gate.push(part, silence=silence)
            starts = [windows.start + i * windows.hop for i in range(len(found))]
            onsets = [self._onset(start) for start in starts]
            asked = [i for i, onset in enumerate(onsets) if onset is not None]
            columns: Any = ()
            if asked:
                columns = self._watcher.columns(self._model.predict(self._centred(found[asked], starts, asked)))
            given = dict(zip(asked, columns, strict=True))
            for i, (start, onset) in enumerate(zip(starts, onsets, strict=True)):
                until = min(start + windows.size, self._length)
                times = ((at - self._lead) / self._rate for at in (start if onset is None else onset, until))
                events += self._watcher.see(Moment(*times), given.get(i))
        return events

    def _centred(self, found: NDArray[Any], starts: list[int], asked: list[int]) -> NDArray[Any]:
        """Windows (n, size) without their constant offset, where sound is told apart from its background.

        Recordings to learn from have none. The silence before and behind the stream is left alone.
        """
        if self._gate is None:
            return found
        centred = np.zeros_like(found)
        for row, window, i in zip(centred, found, asked, strict=True):
            begin = max(0, self._lead - starts[i])
            end = int(min(len(window), self._length - starts[i]))
            row[begin:end] = np.clip(window[begin:end] - self._gate.offset(starts[i] + end), -1, 1)
        return centred

    def _onset(self, start: int) -> int | None:
        """Where what is in the window begins; None: there is nothing in it."""
        if self._gate is None:
            return start
        sound = self._gate.loudest(start, start + self._windows.size)
        return sound.onset if sound is not None and sound.whole else None

    def _sound(self, chunk: Any) -> NDArray[np.float32]:
        samples = np.asarray(chunk)
        if samples.ndim not in (1, 2) or (samples.ndim == 2 and not samples.shape[1]):
            raise InputError(f"sound of shape {samples.shape}: (n,) or (n, channels) is allowed")
        if samples.dtype == np.int16:
            samples = samples / 32768.0
        elif samples.dtype.kind != "f":
            raise InputError(f"sound of type {samples.dtype}: floats between -1 and 1, or int16, are allowed")
        if samples.size:
            # NaN is not at most anything.
            largest = float(np.abs(samples).max())
            if not largest <= 1 + _SLACK:
                raise InputError(f"sound reaches {largest:g}: floats between -1 and 1, or int16, are allowed")
        if samples.ndim == 2:
            samples = samples.mean(axis=1, dtype=np.float64)
        if self._gain != 1:
            samples = samples * self._gain
            self.cut_off += int(np.count_nonzero(np.abs(samples) > 1 + _SLACK))
        clipped: NDArray[np.float32] = np.clip(samples, -1.0, 1.0).astype(np.float32)
        return clipped

    def _samples(self, chunk: Any) -> NDArray[np.float64]:
        channels = self._contract.shape[1]
        samples = np.asarray(chunk)
        if samples.ndim == 1 and channels == 1:
            samples = samples[:, None]
        if samples.ndim != 2 or samples.shape[1] != channels or samples.dtype.kind not in "fiub":
            raise InputError(f"samples of {samples.dtype} {samples.shape}: numbers (n, {channels}) are allowed")
        if not np.isfinite(samples).all():
            raise InputError("samples hold NaN or infinity: finite numbers are allowed")
        return samples.astype(np.float64)

    def _check_rate(self, rate: float, own: float) -> None:
        if not rate:
            raise InputError(f"{self._model.artifact.file} does not say its rate: give rate, in samples a second")
        if not (math.isfinite(rate) and rate > 0):
            raise InputError(f"rate {rate:g} Hz: a number above 0 is allowed")
        if own and rate != own:
            if isinstance(self._contract, Signal):
                raise InputError(f"rate {rate:g} Hz: the model was made for {own:g} Hz; bring the signal to that rate")
            if not own / _MOST_MADE <= rate <= _HIGHEST_RATE:
                raise InputError(f"rate {rate:g} Hz: {own / _MOST_MADE:g} to {_HIGHEST_RATE:,.0f} is allowed")

    def _refuse_finished(self) -> None:
        if self._length < math.inf:
            raise InputError("the stream is finished: make another with Model.stream")
