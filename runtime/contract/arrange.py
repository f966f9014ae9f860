"""Where a model's tensor has the axes of an example: channels last, as people's arrays have them, or first."""

from __future__ import annotations

import itertools
import math
import operator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Arrangement", "arrangements", "same_order"]


class Arrangement(NamedTuple):
    """How examples, (n, ..., channels), become a tensor."""

    shape: tuple[int, ...]
    """Of one example in the tensor."""
    channels_first: bool = False
    """Whether the last axis of an example comes before its others, as PyTorch has it."""

    def arrange(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Examples (n, ...) as the tensor (n, *shape)."""
        moved = np.moveaxis(values, -1, 1) if self.channels_first else values
        return np.ascontiguousarray(moved).reshape(len(values), *self.shape)


def arrangements(example: tuple[int, ...], tensor: tuple[int, ...]) -> tuple[Arrangement, ...]:
    """The ways in which examples fit a tensor, the likeliest first; none where they do not fit.

    Args:
        example: Shape of one example; channels, where there are several, stand last. Grey pictures have none.
        tensor: Shape that the model's file states for one example; -1 where any size is allowed.
    """
    *sizes, channels = example or (1,)
    ways = [Arrangement(example), Arrangement((*example, 1)), Arrangement((1, *example))]
    if len(example) > 1 and channels > 1:
        ways.append(Arrangement((channels, *sizes), channels_first=True))
    found = [way for way in ways if _fits(way.shape, tensor)]
    if not found and -1 not in tensor and same_order(example, tensor):
        # In a row: nothing says in which order.
        found = [Arrangement(tensor)]
        if len(example) > 2 and channels > 1:
            found.append(Arrangement(tensor, channels_first=True))
    return tuple(found)


def same_order(example: tuple[int, ...], tensor: tuple[int, ...]) -> bool:
    """Whether the numbers of an example are in the tensor's order as they lie: axes are split, or neighbours joined.

    (28, 28, 3) lies like (784, 3), (28, 84) and (2352,); not like (3, 28, 28), though it has as many numbers.
    """
    if math.prod(example) != math.prod(tensor):
        return False
    one, other = (set(itertools.accumulate(shape, operator.mul)) | {1} for shape in (example, tensor))
    return one <= other or other <= one


def _fits(shape: tuple[int, ...], tensor: tuple[int, ...]) -> bool:
    return len(shape) == len(tensor) and all(
        size == wanted or wanted < 0 for size, wanted in zip(shape, tensor, strict=True)
    )
