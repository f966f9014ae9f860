"""Compression while a model is trained, whoever trains it.

The model computes with compressed kernels; what training moves is a second, uncompressed copy of each. The gradient at
the compressed weights is taken for the gradient at the others: it passes straight through (Bengio et al. 2013,
"Estimating or Propagating Gradients Through Stochastic Neurons"; Courbariaux et al. 2015, "BinaryConnect"). So no layer
is wrapped and no model is rebuilt, and at any moment the model is what it will be in its file.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import InputError

from .grid import clipping, nearest, rounded, summed, values_of
from .kernels import Kernel, kernels_of
from .patterns import largest, largest_everywhere, two_of_four
from .scheme import Scheme

__all__ = ["UPDATES", "Compression", "array_of", "in_tensorflow", "outputs_of"]

UPDATES = 4
"""How often in an epoch `update` is called."""


class Compression:
    """The compressed kernels of one model, and what they are made from.

    Call `update` at the beginning and a few times an epoch, train the variables that `trained` gives, and call
    `project` after each step, in the training step's own graph.
    """

    def __init__(self, model: Any, scheme: Scheme) -> None:
        """Begin with a model's weights; those that are exactly zero now are held there.

        Args:
            model: Of Keras 3 or tf-keras, built. Its kernels are written to from now on.
            scheme: What is asked for.

        Raises:
            InputError: A layer that the model does not have, or no kernel at all.
        """
        self._scheme = scheme
        self._kernels = kernels_of(model)
        if not self._kernels:
            raise InputError(f"{model.name} has no kernel to compress: a Dense, convolutional or recurrent layer is")
        names = list(dict.fromkeys(kernel.layer for kernel in self._kernels))
        for field in ("layer_sparsity", "layer_bits"):
            if unknown := sorted(set(getattr(scheme, field)) - set(names)):
                raise InputError(f"{field} names {', '.join(unknown)}: the model's layers are {', '.join(names)}")
        self._bits = [scheme.bits_of(kernel.layer) for kernel in self._kernels]
        make: Any = require("keras", extra="toolkit").Variable
        start = [array_of(kernel.variable) for kernel in self._kernels]
        self._held = [values != 0 if values.any() else np.ones(values.shape, bool) for values in start]
        self._latent = [make(values, name=f"kernel_{place}", dtype="float32") for place, values in enumerate(start)]
        self._masks = [make(held, trainable=False, dtype="float32") for held in self._held]
        self._index = [
            make(np.zeros(values.shape if scheme.clusters else (1,)), trainable=False, dtype="int32")
            for values in start
        ]
        self._values = [
            make(np.zeros(scheme.clusters), name=f"values_{place}", dtype="float32")
            for place in range(len(start) if scheme.clusters else 0)
        ]
        # Values that a kernel shares must be multiples of one scale.
        self._axes = [
            () if scheme.clusters else kernel.scaled(values, bits)
            for kernel, values, bits in zip(self._kernels, start, self._bits, strict=True)
        ]
        self._clips = [
            make(clipping(values, 8, axes), trainable=False, dtype="float32")
            for values, axes in zip(start, self._axes, strict=True)
        ]

    @property
    def state(self) -> list[Any]:
        """Variables that the next step depends on, beside the model's own: to be saved with them."""
        return [*self._latent, *self._masks, *self._index, *self._values, *self._clips]

    @property
    def values(self) -> list[Any]:
        """What is trained besides: the values that weights share, TensorFlow's own variables. Empty where they share
        none."""
        return [in_tensorflow(values) for values in self._values]

    @property
    def scales(self) -> dict[int, tuple[int, ...]]:
        """Axes of each kernel with a scale for each index, by the identity of the model's variable."""
        return {id(kernel.variable): axes for kernel, axes in zip(self._kernels, self._axes, strict=True)}

    def trained(self, variables: Sequence[Any]) -> list[Any]:
        """What is trained in the place of each of the model's trainable variables; gradients are taken at those.

        All of them are TensorFlow's own variables.
        """
        latent = {
            id(in_tensorflow(kernel.variable)): in_tensorflow(each)
            for kernel, each in zip(self._kernels, self._latent, strict=True)
        }
        return [latent.get(id(in_tensorflow(variable)), in_tensorflow(variable)) for variable in variables]

    def settled(self, progress: float) -> bool:
        """Whether kernels are what they will be, from that part of the training on."""
        return self._scheme.settled(progress)

    def update(self, progress: float, before: float | None = None) -> None:
        """Choose which weights are zero, which share a value, and where few bits are cut off.

        Args:
            progress: The part of the training that is over, 0 to 1.
            before: What it was at the last update; None at the first. Once all zeros are there they stay where they
                are.
        """
        scheme, first = self._scheme, before is None or not self.settled(before)
        if first:
            for mask, kept in zip(self._masks, self._patterns(scheme.share(progress)), strict=True):
                mask.assign(kept.astype(np.float32))
        if not self.settled(progress):
            return
        for place, mask in enumerate(self._masks):
            weights = array_of(self._latent[place]) * array_of(mask)
            if scheme.clusters and first:
                found = values_of(weights, scheme.clusters, zeros=not bool(array_of(mask).all()))
                self._values[place].assign(np.pad(found, (0, scheme.clusters - len(found)), mode="edge"))
                weights = found[array_of(nearest(weights, found))]
            if (bits := self._bits[place]) and (first or progress < scheme.rest):
                self._clips[place].assign(clipping(weights, bits, self._axes[place]))

    def project(self, settled: bool) -> list[Any]:
        """Write the compressed kernels into the model, and give them too; traceable.

        Args:
            settled: Whether values are shared and rounded, or weights are zero alone.
        """
        scheme, values = self._scheme, []
        ops = require("keras", extra="toolkit").ops
        for place, (kernel, latent, mask) in enumerate(zip(self._kernels, self._latent, self._masks, strict=True)):
            value = latent * mask
            if settled and scheme.clusters:
                index = nearest(value, self._values[place])
                self._index[place].assign(index)
                value = ops.take(self._values[place], index) * mask
            if settled and self._bits[place]:
                value = rounded(value, self._clips[place], self._bits[place], self._axes[place])
            # A step on JAX gives the memory of the model's weights to others.
            kernel.variable.assign(ops.copy(value))
            values.append(value)
        return values

    def joined(self, gradients: Sequence[Any], variables: Sequence[Any], settled: bool) -> list[Any]:
        """Gradients, and behind them those at `values`: the sums over the weights that share each. A weight goes by its
        own, and takes another value once that is nearer. Traceable.

        Args:
            gradients: At the model's variables.
            variables: These, as `trained` takes them.
            settled: As `project` takes it.
        """
        places = {id(in_tensorflow(variable)): place for place, variable in enumerate(variables)}
        own = [gradients[places[id(in_tensorflow(kernel.variable))]] for kernel in self._kernels]
        sums = [self._summed(place, own[place]) * float(settled) for place in range(len(self._values))]
        return [*gradients, *sums]

    def follow(self, shown: Sequence[Any], settled: bool) -> list[Any]:
        """After somebody else's optimizer has moved the model's kernels: move the others likewise, and project.

        Args:
            shown: What this or `project` gave before the step.
            settled: As `project` takes it.
        """
        ops = require("keras", extra="toolkit").ops
        for place, (kernel, latent, before) in enumerate(zip(self._kernels, self._latent, shown, strict=True)):
            moved = kernel.variable - before
            latent.assign(latent + moved)
            if settled and self._values:
                counts = ops.maximum(self._summed(place, ops.ones_like(moved)), 1)
                self._values[place].assign(self._values[place] + self._summed(place, moved) / counts)
        return self.project(settled)

    def _summed(self, place: int, numbers: Any) -> Any:
        """The sums of a kernel's numbers over the weights that share each value; 0 of the value that is exactly zero,
        which stays it."""
        ops, values = require("keras", extra="toolkit").ops, self._values[place]
        sums = summed(numbers * self._masks[place], self._index[place], self._scheme.clusters)
        return ops.where(ops.equal(values, 0), ops.zeros_like(sums), sums)

    def _patterns(self, part: float) -> list[NDArray[np.bool_]]:
        """What stays of each kernel when that part of the zeros is there."""
        scheme = self._scheme
        weights = [array_of(latent) * held for latent, held in zip(self._latent, self._held, strict=True)]
        paired = list(zip(self._kernels, weights, strict=True))
        if scheme.pruning == "2:4":
            kept = [two_of_four(values, outputs_of(kernel)) for kernel, values in paired]
        else:
            kept = [
                largest(values, scheme.share_of(kernel.layer) * part, outputs_of(kernel), scheme.block)
                for kernel, values in paired
            ]
            free = [place for place, kernel in enumerate(self._kernels) if kernel.layer not in scheme.layer_sparsity]
            if scheme.everywhere and free:
                together = largest_everywhere([weights[place] for place in free], scheme.sparsity * part)
                for place, found in zip(free, together, strict=True):
                    kept[place] = found
        return [each & held for each, held in zip(kept, self._held, strict=True)]


def in_tensorflow(variable: Any) -> Any:
    """TensorFlow's own variable of one of either Keras."""
    return variable if callable(variable.value) else variable.value


def outputs_of(kernel: Kernel) -> tuple[int, ...]:
    """Axes of a kernel's outputs; of a table's rows the last one, which is what a lookup gives."""
    return kernel.channels or (len(kernel.variable.shape) - 1,)


def array_of(variable: Any) -> NDArray[Any]:
    """A variable's value, of either Keras and any backend."""
    return np.asarray(require("keras", extra="toolkit").ops.convert_to_numpy(variable))
