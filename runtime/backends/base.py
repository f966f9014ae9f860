"""What every backend offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..bundle.manifest import TensorSpec

__all__ = ["Session"]

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Session(Protocol):
    """One loaded model file. Not safe to share between threads: `Model` holds a lock around it.

    Made as `Session(name, content, threads, delegate)`: the backend's name, the model file, and how to run it;
    InputError where the backend cannot load it.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    chunk: int
    """Images a call at which this backend is fastest: larger batches fall out of the processor's cache."""
    failures: tuple[type[Exception], ...]
    """What `call` and `run` raise for an input that does not fit: the library's own exceptions, as they come."""

    @property
    def call(self) -> Callable[[Any], NDArray[Any]]:
        """The shortest way through the backend for one input and one output.

        The array of the last `run`'s shape in, the first output out; one of `failures` where shape or type is another.
        """

    def run(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """One array per input, of its exact type; one new array per output."""

    def close(self) -> None:
        """Give the memory back."""
