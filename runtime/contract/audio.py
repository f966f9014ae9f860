"""Audio: recordings as waveforms. What hears in them, spectrograms for instance, is layers of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgepress.base.errors import InputError

from .scaling import as_numbers

__all__ = ["PLACES", "Audio"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLACES = ("start", "middle", "loudest")


class Audio(NamedTuple):
    """A waveform between -1 and 1, one channel, of a fixed length."""

    rate: int
    """Samples a second, in Hz."""
    samples: int
    """Length of the model's window."""
    place: str = "start"
    """Which part of a longer recording is taken: its `start`, its `middle`, or its `loudest` part. A shorter one is
    followed by silence (`start`) or has it on both sides."""
    channel: bool = False
    """Whether the model's input has a last axis of size 1."""

    @property
    def kind(self) -> str:
        """As the manifest names it."""
        return "audio"

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return self.samples / self.rate

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one window: (samples,)."""
        return (self.samples,)

    @property
    def size(self) -> int:
        """How many numbers a window has."""
        return self.samples

    @property
    def dtype(self) -> str:
        """NumPy name of what people's arrays hold."""
        return "float32"

    def numbers(self, values: Any) -> NDArray[np.float64]:
        """Windows (n, samples) or (samples,), float between -1 and 1 or int16, as floats.

        Raises:
            InputError: Another shape, no numbers, NaN, floats that are no waveform.
        """
        array = np.asarray(values)
        if array.shape[-1:] == (1,) and array.ndim > 1:
            array = array[..., 0]
        whole = array.dtype == np.int16
        numbers = as_numbers(array, self.shape, "recordings")
        if whole:
            return numbers / 32768.0
        if numbers.size and np.abs(numbers).max() > 1.0 + 1e-3:
            raise InputError(
                f"recordings reach {np.abs(numbers).max():g}: floats between -1 and 1, or int16, are allowed"
            )
        return numbers

    def normalize(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Waveforms as the real numbers of the model's input: as they are."""
        return values.astype(np.float32)

    def window(self, recording: NDArray[np.float32]) -> NDArray[np.float32]:
        """A recording (m,) of this rate as one window (samples,)."""
        missing = self.samples - len(recording)
        if missing >= 0:
            before = 0 if self.place == PLACES[0] else missing // 2
            return np.pad(recording, (before, missing - before)).astype(np.float32)
        start = 0
        if self.place == "middle":
            start = -missing // 2
        elif self.place == "loudest":
            energy = np.concatenate([[0.0], np.cumsum(np.square(recording, dtype=np.float64))])
            start = int(np.argmax(energy[self.samples :] - energy[: -self.samples]))
        return recording[start : start + self.samples].astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return {"kind": self.kind, **self._asdict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Audio:
        """The inverse of `to_dict`; `seconds` may stand in place of `samples`; unknown keys are left out."""
        rate = int(data["rate"])
        samples = int(data["samples"]) if "samples" in data else round(float(data["seconds"]) * rate)
        contract = cls(rate, samples, str(data.get("place", "start")), bool(data.get("channel", False)))
        contract.check()
        return contract

    def check(self) -> None:
        """Raise InputError for what no recording can be."""
        if self.rate < 1 or self.samples < 1:
            raise InputError(f"audio of {self.samples} samples at {self.rate} Hz: both are at least 1")
        if self.place not in PLACES:
            raise InputError(f"audio place {self.place!r}: allowed are {', '.join(PLACES)}")
