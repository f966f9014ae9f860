"""Tensors: arrays of a shape and a type, and nothing else is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgepress.base.errors import InputError

from .scaling import as_numbers

__all__ = ["Tensor"]

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Tensor(NamedTuple):
    """Numbers as the model takes them."""

    dimensions: tuple[int, ...]
    """Of one example; -1 where any size is allowed."""
    type: str = "float32"
    """NumPy name."""

    @property
    def kind(self) -> str:
        """As the manifest names it."""
        return "tensor"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example."""
        return self.dimensions

    @property
    def size(self) -> int:
        """How many numbers an example has."""
        return int(np.prod(self.dimensions, dtype=np.int64))

    @property
    def dtype(self) -> str:
        """NumPy name of what people's arrays hold."""
        return self.type

    def numbers(self, values: Any) -> NDArray[np.float64]:
        """Examples as numbers. Shape (n, *shape).

        Raises:
            InputError: Another shape, no numbers, NaN.
        """
        return as_numbers(values, self.shape, "arrays")

    def normalize(self, values: NDArray[Any]) -> NDArray[Any]:
        """Examples in the tensor's type."""
        return values.astype(self.type)

    def to_dict(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return {"kind": self.kind, "shape": self.dimensions, "type": self.type}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Tensor:
        """The inverse of `to_dict`; unknown keys are left out."""
        contract = cls(tuple(map(int, data["shape"])), str(data.get("type", "float32")))
        contract.check()
        return contract

    def check(self) -> None:
        """Raise InputError for what no tensor can be."""
        try:
            known = np.dtype(self.type).kind in "fiub"
        except TypeError:
            known = False
        if not known or any(size < 1 and size != -1 for size in self.dimensions):
            raise InputError(f"a tensor of {self.type} {self.dimensions}: a type of numbers, sizes of at least 1")
