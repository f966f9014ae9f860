"""Waveforms small enough to travel inside the report: a signal's channels, a recording, as heights from 0 to 100."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime.contract import Audio, Input, Signal

__all__ = ["waves_of"]

_POINTS = 120
"""Of a channel; of more samples the least and the most of each piece, so that no spike is lost."""
_CHANNELS = 8
_TOP = 100


def waves_of(values: NDArray[Any], contract: Input | None) -> list[dict[str, Any]]:
    """What an example looks like over time: name, unit, least and most sample, and heights of each of its first
    channels; empty where it is no signal and no recording.

    Args:
        values: One window, (steps, channels), or one recording, (samples,) or (samples, 1).
        contract: Of the input.
    """
    if isinstance(contract, Signal):
        names, units = contract.channels, contract.units
    elif isinstance(contract, Audio):
        names, units = ("",), ()
    else:
        return []
    channels = np.asarray(values, np.float64).reshape(len(values), -1).T[:_CHANNELS]
    return [
        {
            "name": names[place] if place < len(names) else "",
            "unit": units[place] if place < len(units) else "",
            "low": float(f"{np.nanmin(channel):.4g}"),
            "high": float(f"{np.nanmax(channel):.4g}"),
            "heights": _heights(channel),
        }
        for place, channel in enumerate(channels)
        if np.isfinite(channel).any()
    ]


def _heights(channel: NDArray[np.float64]) -> list[int]:
    finite = np.nan_to_num(channel, nan=float(np.nanmean(channel[np.isfinite(channel)])))
    if len(finite) > _POINTS:
        pieces = np.array_split(finite, _POINTS // 2)
        finite = np.array([edge for piece in pieces for edge in (piece.min(), piece.max())])
    low, span = finite.min(), np.ptp(finite)
    scaled = (finite - low) / span if span > 0 else np.full(len(finite), 0.5)
    heights: list[int] = np.round(scaled * _TOP).astype(int).tolist()
    return heights
