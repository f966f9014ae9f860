"""Signals: windows of samples over time, one column a channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from edgepress.base.errors import InputError

from .scaling import as_numbers, check_statistics, standardize, statistics

__all__ = ["Signal"]

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Signal(NamedTuple):
    """real = (sample - mean) / std, channel by channel."""

    steps: int
    """Samples in a window."""
    channels: tuple[str, ...]
    """Names, in the model's order."""
    units: tuple[str, ...] = ()
    """Of each channel, where they are known; empty otherwise."""
    rate: float = 0.0
    """Samples a second, in Hz; 0 where it is not known."""
    mean: tuple[float, ...] = ()
    """Of each channel; empty where the model takes the samples as they are."""
    std: tuple[float, ...] = ()

    @property
    def kind(self) -> str:
        """As the manifest names it."""
        return "signal"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one window: (steps, channels)."""
        return (self.steps, len(self.channels))

    @property
    def size(self) -> int:
        """How many numbers a window has."""
        return self.steps * len(self.channels)

    @property
    def dtype(self) -> str:
        """NumPy name of what people's arrays hold."""
        return "float32"

    def numbers(self, values: Any) -> NDArray[np.float64]:
        """Windows as numbers, before they are centred and scaled. Shape (n, steps, channels).

        Raises:
            InputError: Another shape, no numbers, NaN.
        """
        return as_numbers(values, self.shape, "windows")

    def normalize(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Windows (n, steps, channels) as the real numbers of the model's input."""
        return standardize(values, self.mean, self.std)

    def to_dict(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return {"kind": self.kind, **self._asdict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Signal:
        """The inverse of `to_dict`; unknown keys are left out."""
        contract = cls(
            steps=int(data["steps"]),
            channels=tuple(map(str, data["channels"])),
            units=tuple(map(str, data.get("units", ()))),
            rate=float(data.get("rate", 0.0)),
            **statistics(dict(data)),
        )
        contract.check()
        return contract

    def check(self) -> None:
        """Raise InputError for what no window can be."""
        if self.steps < 1 or not self.channels:
            raise InputError(f"a window of {self.steps} steps x {len(self.channels)} channels: at least 1 of each")
        if not 0 <= self.rate < float("inf"):
            raise InputError(f"signal rate {self.rate} Hz: 0 (not known) or more is allowed")
        check_statistics("signal", len(self.channels), self.mean, self.std)
