"""Examples as a model takes them: real numbers by the names of its inputs, with the right answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data import Part
from edgepress.data.rows import PIECE_BYTES, Mapped, Rows, mapped, select
from edgepress.runtime.contract import Contract
from edgepress.train.asking import outputs_of

__all__ = ["Samples", "predicted", "samples_of", "thinned"]


@dataclass(frozen=True, eq=False)
class Samples:
    """What goes into a model, and what should come out."""

    inputs: dict[str, Any]
    """Input name to real numbers, shape (n, ...): an array, or `Rows` where the examples are in a file."""
    targets: NDArray[Any] | None
    """As the data set has them, (n,) or (n, k); None where nothing is known to be right."""

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def __getitem__(self, part: slice | NDArray[np.int64]) -> "Samples":
        targets = None if self.targets is None else self.targets[part]
        return Samples({name: select(values, part) for name, values in self.inputs.items()}, targets)

    def thinned(self, count: int) -> "Samples":
        """At most so many of them, evenly spaced: data sets may be sorted by class."""
        found: Samples = thinned(self, count)
        return found

    def clipped(self, ends: Mapping[str, tuple[float, float]]) -> "Samples":
        """The same, the numbers of some inputs kept between a lowest and a highest one.

        Args:
            ends: These two, by the input's name.
        """
        changed = {
            name: mapped(self.inputs[name], partial(np.clip, a_min=low, a_max=high), self.inputs[name].dtype)
            for name, (low, high) in ends.items()
        }
        return Samples(self.inputs | changed, self.targets)

    @property
    def first(self) -> Any:
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
        given, normalize = part.inputs[name], contract.inputs[name].normalize
        sizes, dtype = tuple(tensor.shape[1:]), tensor.dtype.as_numpy_dtype
        # Grey pictures leave out their channel, and flat inputs take the pixels in a row.
        sizes = given.shape[1:] if None in sizes else sizes
        rows = Mapped(given, normalize, sizes, dtype)
        # Bytes in memory take four times as much as real numbers.
        inputs[name] = rows if isinstance(given, Rows) or rows.nbytes > PIECE_BYTES else rows[:]
    return Samples(inputs, part.targets)


def thinned(examples: Any, count: int) -> Any:
    """At most so many of a part's or of samples' examples, evenly spaced."""
    return examples[np.unique(np.linspace(0, len(examples) - 1, min(count, len(examples))).astype(np.int64))]


def predicted(model: Any, inputs: Sequence[Any]) -> dict[str, NDArray[Any]]:
    """What a tf-keras model gives, by output name, for arrays or `Rows` in the order of its inputs."""
    return dict(zip(model.output_names, outputs_of(model, inputs), strict=True))
