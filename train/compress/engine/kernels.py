"""Which weights of a model are compressed: the kernels of its layers. All else stays whole.

Biases, normalization's factors and statistics are few, and what they lose moves every answer.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["KERNELS", "Kernel", "kernels_of", "normalized"]

_UNLIKE = 16
"""Times the largest weight of a unit that the largest of all may be: what is left of 127 steps are 8 at least."""


class Kernel(NamedTuple):
    """One variable of a model that is compressed."""

    layer: str
    """Name of the model's layer that it belongs to, however deep inside."""
    variable: Any
    """Of Keras 3, or TensorFlow's."""
    channels: tuple[int, ...]
    """Axes of the output channels: converters give each its own scale. Empty where all share one."""
    matrix: bool = False
    """Whether files may give it one scale all the same: a matrix, where no normalization is folded into it."""

    def scaled(self, weights: NDArray[np.float32], bits: int) -> tuple[int, ...]:
        """Axes with a scale for each index. A matrix of 8 bits has one scale for all, which weighs less in files,
        unless that would leave a unit a few steps only.

        Args:
            weights: Of the kernel.
            bits: Of each of them.
        """
        if not self.matrix or bits != 8:
            return self.channels
        largest = np.abs(weights).max(axis=tuple(axis for axis in range(weights.ndim) if axis not in self.channels))
        lives = largest[largest > 0]
        return () if lives.size and lives.min() * _UNLIKE >= lives.max() else self.channels


def _last(layer: Any, rank: int) -> tuple[int, ...]:
    """Of Dense, Conv and recurrent layers: (..., inputs, outputs)."""
    # A transposed convolution's kernel is (..., outputs, inputs).
    return (rank - 2 if "Transpose" in type(layer).__name__ else rank - 1,)


def _einsum(layer: Any, rank: int) -> tuple[int, ...]:
    """The kernel's letters that stand in the output, and not in the input, of a layer such as 'abc,cde->abde'."""
    terms, output = layer.equation.replace(" ", "").split("->")
    given, kernel = terms.split(",")
    return tuple(axis for axis, letter in enumerate(kernel) if letter in output and letter not in given)


def _kernel(layer: Any, rank: int) -> tuple[int, ...]:
    return _einsum(layer, rank) if hasattr(layer, "equation") else _last(layer, rank)


KERNELS: dict[str, Callable[[Any, int], tuple[int, ...]]] = {
    "kernel": _kernel,
    "recurrent_kernel": _last,
    "depthwise_kernel": lambda layer, rank: (rank - 2, rank - 1),
    "pointwise_kernel": _last,
    # A row is looked up as it is: one scale for the whole table.
    "embeddings": lambda layer, rank: (),
}
"""A kernel's name in its layer to the axes of its output channels, by the layer and the kernel's rank."""


def kernels_of(model: Any) -> list[Kernel]:
    """The kernels of a model of either Keras that training changes, each once, in the order of its layers."""
    found: dict[int, Kernel] = {}
    folds = normalized(model)
    for top in model.layers:
        # From the inside out: a wrapper lists what belongs to the layer in it.
        for layer in reversed(list(_inside(top))):
            for variable in layer.trainable_weights:
                axes, rank = KERNELS.get(_name(variable)), len(variable.shape)
                if axes and rank > 1 and id(variable) not in found:
                    matrix = "Conv" not in type(layer).__name__ and not folds
                    found[id(variable)] = Kernel(top.name, variable, axes(layer, rank), matrix)
    order = {id(variable): index for index, variable in enumerate(model.trainable_weights)}
    return sorted((kernel for key, kernel in found.items() if key in order), key=lambda each: order[id(each.variable)])


def normalized(model: Any) -> bool:
    """Whether a normalization may be folded into the channels of a kernel."""
    return any(type(layer).__name__ == "BatchNormalization" for layer in _inside(model))


def _inside(layer: Any) -> Iterator[Any]:
    """A layer and all layers in it, outer ones first."""
    return iter(layer._flatten_layers())


def _name(variable: Any) -> str:
    """`recurrent_kernel` of `lstm/lstm_cell/recurrent_kernel:0`."""
    name: str = variable.name
    return name.partition(":")[0].rpartition("/")[2]
