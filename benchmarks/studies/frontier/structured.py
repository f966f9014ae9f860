"""Structured pruning: whole units leave, so that any dense runtime gains size and speed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError

from .lowbit import LowBitWeights

__all__ = ["drop_dead_units", "keep_strongest_units"]

Arrays = list[tuple[NDArray[np.float32], NDArray[np.float32]]]


def keep_strongest_units(model: Any, widths: Sequence[int]) -> Arrays:
    """The kernels and biases of an MLP with only its strongest hidden units.

    A unit is as strong as what goes in times what goes out: the norm of its weights times the norm of those that read
    it (He et al. 2014, "Reshaping deep neural network for fast decoding by node-pruning", node importance).

    Args:
        model: A stack of tf-keras Dense layers.
        widths: Units that stay in each hidden layer; they keep their order.

    Returns:
        For each layer the kernel (inputs, units) and the bias (units,).
    """
    arrays = [[value.numpy() for value in layer.weights[:2]] for layer in model.layers if layer.weights]
    if len(widths) != len(arrays) - 1:
        raise InputError(f"{len(widths)} widths for {len(arrays) - 1} hidden layers: one each is allowed")
    for i, width in enumerate(widths):
        kernel, reader = arrays[i][0], arrays[i + 1][0]
        if not 1 <= width <= kernel.shape[1]:
            raise InputError(f"hidden layer {i + 1} keeps {width} units: 1 to {kernel.shape[1]} is allowed")
        strength = np.linalg.norm(kernel, axis=0) * np.linalg.norm(reader, axis=1)
        kept = np.sort(np.argsort(-strength, kind="stable")[:width])
        arrays[i] = [kernel[:, kept], arrays[i][1][kept]]
        arrays[i + 1][0] = reader[kept]
    return [(kernel, bias) for kernel, bias in arrays]


def drop_dead_units(layers: Sequence[LowBitWeights], *, group: int = 1) -> list[LowBitWeights]:
    """The same function without hidden units that have no input or no reader; the others sorted by their non-zeros.

    What a unit without inputs gives is constant and moves into its readers' biases. Rows of like density side by side
    suit an entropy coder that adapts as it goes.

    Args:
        layers: From input to output.
        group: Units whose weights share a byte in the layer that reads them. They stay together and leave together:
            training gathered their non-zeros.
    """
    found = list(layers)
    for i in range(len(found) - 1):
        layer, reader = found[i], found[i + 1]
        fed = (layer.integers != 0).any(axis=1)
        constant = np.where(fed, 0, np.maximum(layer.bias, 0)).astype(np.float32)
        bias = reader.bias + (reader.integers.astype(np.float32) * np.float32(reader.scale)) @ constant
        alive = (fed & (reader.integers != 0).any(axis=0)).reshape(-1, group).any(axis=1)
        non_zeros = np.count_nonzero(layer.integers, axis=1).reshape(-1, group).sum(axis=1)
        groups = np.flatnonzero(alive)
        groups = groups[np.argsort(non_zeros[groups], kind="stable")]
        kept = (groups[:, None] * group + np.arange(group)).reshape(-1)
        found[i] = LowBitWeights(
            layer.integers[kept], layer.scale, np.where(fed, layer.bias, 0).astype(np.float32)[kept]
        )
        found[i + 1] = LowBitWeights(reader.integers[:, kept], reader.scale, bias.astype(np.float32))
    return found
