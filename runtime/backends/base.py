"""What every backend offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..bundle.manifest import TensorSpec

__all__ = ["Session"]

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Session(Protocol):
    """One loaded model file. Not safe to share between threads: `Model` holds a lock around it."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    chunk: int
    """Images a call at which this backend is fastest: larger batches fall out of the processor's cache."""

    @property
    def call(self) -> Callable[[Any], NDArray[Any]]:
        """The shortest way through the backend for one input and one output.

        The array of the last `run`'s shape in, the first output out; ValueError where shape or type is another.
        """

    def run(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """One array per input, of its exact type; one new array per output."""

    def close(self) -> None:
        """Give the memory back."""
