"""Examples of a model with several inputs, indexed like an array of them."""

from collections.abc import Iterable
from typing import Any

from edgepress.data.rows import Rows

__all__ = ["Together", "lies_in_a_file", "nested"]


class Together:
    """An array or `Rows` (n, ...) for each of several inputs: what is done to examples is done to each of them."""

    def __init__(self, arrays: Iterable[Any]) -> None:
        self.arrays = tuple(arrays)
        """In one order throughout."""

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Any) -> "Together":
        return Together(each[index] for each in self.arrays)

    @property
    def nbytes(self) -> int:
        """Of all of them."""
        return sum(each.nbytes for each in self.arrays)


def lies_in_a_file(examples: Any) -> bool:
    """Whether examples, or some of their inputs, are read when they are asked for."""
    return any(isinstance(each, Rows) for each in getattr(examples, "arrays", (examples,)))


def nested(examples: Any) -> Any:
    """Examples as TensorFlow takes them: one array as it is, those of several inputs as a tuple."""
    return examples.arrays if isinstance(examples, Together) else examples
