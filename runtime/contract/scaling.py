"""What features, signals and recordings share: numbers that are centred and scaled, channel by channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgepress.base.errors import InputError

__all__ = ["as_numbers", "check_statistics", "standardize", "statistics"]

if TYPE_CHECKING:
    from numpy.typing import NDArray


def as_numbers(values: Any, shape: tuple[int, ...], what: str) -> NDArray[np.float64]:
    """Values of one example or of several as float64, shape (n, *shape).

    Raises:
        InputError: Another shape, no numbers, NaN or infinity.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        raise InputError(f"{what} are ragged: every example has the shape {shape}") from None
    if array.shape == shape:
        array = array[None]
    if array.shape[1:] != shape:
        raise InputError(f"{what} of shape {array.shape}: {shape} is allowed, or (n, ...) of it")
    if array.dtype.kind not in "fiub":
        raise InputError(f"{what} of type {array.dtype}: numbers are allowed")
    numbers = array.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise InputError(f"{what} hold NaN or infinity: finite numbers are allowed")
    return numbers


def standardize(values: NDArray[Any], mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float32]:
    """(value - mean) / std along the last axis, computed in float64: a pressure in pascals keeps its small changes."""
    if not mean:
        return values.astype(np.float32)
    result: NDArray[np.float32] = ((values.astype(np.float64) - np.array(mean)) / np.array(std)).astype(np.float32)
    return result


def statistics(data: dict[str, Any]) -> dict[str, Any]:
    """`mean` and `std` of a contract read from JSON or TOML, as tuples."""
    return {name: tuple(map(float, data[name])) for name in ("mean", "std") if name in data}


def check_statistics(what: str, channels: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    """Raise InputError where mean and std do not fit the channels."""
    if not mean and not std:
        return
    if len(mean) != channels or len(std) != channels:
        raise InputError(f"{what}: {len(mean)} means and {len(std)} deviations: one a channel ({channels}) is allowed")
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and min(std) > 0):
        raise InputError(f"{what} mean and std: finite numbers, std above 0")
