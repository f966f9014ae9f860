"""Examples as a model takes them: real numbers by the names of its inputs, with the right answers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data import Part
from edgepress.runtime.contract import Contract

__all__ = ["Samples", "samples_of"]


@dataclass(frozen=True, eq=False)
class Samples:
    """What goes into a model, and what should come out."""

    inputs: dict[str, NDArray[Any]]
    """Input name to real numbers, shape (n, ...)."""
    targets: NDArray[Any] | None
    """As the data set has them, (n,) or (n, k); None where nothing is known to be right."""

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def __getitem__(self, part: slice | NDArray[np.int64]) -> "Samples":
        targets = None if self.targets is None else self.targets[part]
        return Samples({name: values[part] for name, values in self.inputs.items()}, targets)

    def thinned(self, count: int) -> "Samples":
        """At most so many of them, evenly spaced: data sets may be sorted by class."""
        return self[np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).astype(np.int64))]

    @property
    def first(self) -> NDArray[Any]:
        """The first input's numbers."""
        return next(iter(self.inputs.values()))


def samples_of(model: Any, contract: Contract, part: Part) -> Samples:
    """A data set's examples as a tf-keras model takes them.

    Args:
        model: Its inputs have the contract's names.
        contract: How examples become numbers.
        part: The examples.
    """
    inputs = {}
    for name, tensor in zip(model.input_names, model.inputs, strict=True):
        values = part.inputs[name]
        shape = [
            own if own is not None else came
            for own, came in zip(tensor.shape[1:], _padded(values, tensor), strict=True)
        ]
        reals = contract.inputs[name].normalize(values).reshape(len(values), *shape)
        inputs[name] = reals.astype(tensor.dtype.as_numpy_dtype, copy=False)
    return Samples(inputs, part.targets)


def _padded(values: NDArray[Any], tensor: Any) -> tuple[int, ...]:
    """The examples' shape with as many axes as the tensor: grey pictures leave out their channel."""
    shape = values.shape[1:]
    return (
        (*shape, *[1] * (len(tensor.shape) - 1 - len(shape)))
        if len(shape) < len(tensor.shape) - 1
        else (shape[: len(tensor.shape) - 1])
    )
