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
        reals = contract.inputs[name].normalize(part.inputs[name])
        sizes = tuple(tensor.shape[1:])
        # Grey pictures leave out their channel, and flat inputs take the pixels in a row.
        reals = reals if None in sizes else reals.reshape(len(reals), *sizes)
        inputs[name] = reals.astype(tensor.dtype.as_numpy_dtype, copy=False)
    return Samples(inputs, part.targets)
