"""A data set, read once for each size in which models take its examples."""

from collections.abc import Callable
from typing import Any

from edgepress.data import Dataset
from edgepress.runtime import InputError
from edgepress.runtime.contract import Audio, Input, Picture

__all__ = ["Read", "Readings"]

Read = Callable[..., Dataset]
"""The data for `task`, `input_shape` and `seconds`, as `as_dataset` takes them; None for what nobody says."""

_CHANNELS = (1, 3)


class Readings:
    """One data set in all the sizes that are asked for."""

    def __init__(self, given: Dataset | Read, task: str | None) -> None:
        """Read nothing yet.

        Args:
            given: A data set, taken as it is; or what reads it in the sizes that are asked for.
            task: The question, where it is known.
        """
        self._given = given
        self.task = task
        self._known: dict[tuple[tuple[int, ...] | None, float | None], Dataset] = {}

    def as_contract(self, only: Input | None) -> Dataset:
        """As a model takes them whose one input is known; any other's are read as they are."""
        shape = (only.height, only.width, only.channels) if isinstance(only, Picture) else None
        return self._at(shape, only.seconds if isinstance(only, Audio) else None)

    def as_tensor(self, shape: tuple[int, ...], size: tuple[int, int] | None = None) -> Dataset:
        """As a model takes them of which the file tells the one input's shape.

        Args:
            shape: Of one example; -1 where any size is allowed.
            size: Height and width of pictures, where the file says them elsewhere.
        """
        for picture in _as_pictures(shape, size):
            try:
                found = self._at(picture, None)
            except InputError:
                continue
            if found.picture is not None and found.picture.shape[:2] == picture[:2]:
                return found
        found = self._at(None, None)
        only = next(iter(found.inputs.values()))
        if isinstance(only, Audio) and shape and shape[0] > 0 and shape[0] != only.samples:
            return self._at(None, shape[0] / only.rate)
        return found

    def _at(self, shape: tuple[int, ...] | None, seconds: float | None) -> Dataset:
        key = shape, seconds
        if key not in self._known:
            self._known[key] = self._read(shape, seconds)
        return self._known[key]

    def _read(self, shape: tuple[int, ...] | None, seconds: float | None) -> Dataset:
        if callable(self._given):
            return self._given(task=self.task, input_shape=shape, seconds=seconds)
        return self._given


def _as_pictures(shape: tuple[int, ...], size: tuple[int, int] | None) -> list[tuple[int, int, int]]:
    """Heights, widths and channels that a tensor may have, were it pictures."""
    if len(shape) == 2:
        shape = (*shape, 1)
    if len(shape) != 3:
        return []
    found: list[Any] = [shape, (*shape[1:], shape[0])]
    if size is not None:
        found = [(*size, each[2]) for each in found]
    return [each for each in found if each[2] in _CHANNELS and min(each) > 0]
