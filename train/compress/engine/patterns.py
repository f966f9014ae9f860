"""Which weights become zero: those of the smallest magnitude, one by one, in blocks, or two of four.

Sources: Han et al. 2015, "Learning both Weights and Connections"; Mishra et al. 2021, "Accelerating Sparse Deep Neural
Networks" (2:4); Narang et al. 2017, "Block-Sparse Recurrent Neural Networks".
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["largest", "largest_everywhere", "two_of_four"]


def largest(
    kernel: NDArray[np.float32], share: float, channels: Sequence[int], block: tuple[int, int] = (1, 1)
) -> NDArray[np.bool_]:
    """What stays of a kernel when its smallest weights leave.

    Args:
        kernel: Of any rank.
        share: Of its weights, or blocks, that leave; rounded to whole ones.
        channels: Axes of its outputs.
        block: Inputs and outputs that leave together, by the mean of their magnitudes.

    Returns:
        A mask of the kernel's shape.
    """
    magnitudes = np.abs(kernel)
    matrix = _matrix(magnitudes, channels)
    if block == (1, 1) or any(size <= length for size, length in zip(matrix.shape, block, strict=True)):
        return _top(magnitudes, share)
    padding = [(0, -size % length) for size, length in zip(matrix.shape, block, strict=True)]
    padded, filled = np.pad(matrix, padding), np.pad(np.ones_like(matrix), padding)
    sums, counts = (_tiles(each, block).sum(axis=(1, 3)) for each in (padded, filled))
    kept = np.kron(_top(sums / counts, share), np.ones(block, bool))[: matrix.shape[0], : matrix.shape[1]]
    return _restored(kept, kernel.shape, channels)


def largest_everywhere(kernels: Sequence[NDArray[np.float32]], share: float) -> list[NDArray[np.bool_]]:
    """What stays of several kernels when the least of all their weights leave.

    A weight counts by its square, as a share of its own square and those of all larger ones in its kernel (Lee et al.
    2021, "Layer-Adaptive Sparsity for the Magnitude-based Pruning", LAMP): layers are scaled differently, and the last
    weights of a small one are worth more than the same number in a large one.
    """
    together = _top(np.concatenate([_among_larger(kernel) for kernel in kernels]), share)
    parts = np.split(together, np.cumsum([kernel.size for kernel in kernels])[:-1])
    # Within a kernel the share grows with the weight: how many leave says which.
    return [_all_but(np.abs(kernel), len(part) - int(part.sum())) for part, kernel in zip(parts, kernels, strict=True)]


def two_of_four(kernel: NDArray[np.float32], channels: Sequence[int]) -> NDArray[np.bool_]:
    """What stays when two of each four neighbours along a kernel's inputs leave; up to three at the end all stay."""
    matrix = _matrix(np.abs(kernel), channels)
    whole = len(matrix) // 4 * 4
    groups = matrix[:whole].reshape(-1, 4, matrix.shape[1])
    ranks = np.argsort(np.argsort(-groups, axis=1, kind="stable"), axis=1, kind="stable")
    kept = np.ones(matrix.shape, bool)
    kept[:whole] = (ranks < 2).reshape(whole, matrix.shape[1])
    return _restored(kept, kernel.shape, channels)


def _among_larger(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """The squares of a kernel's weights in ascending order, as shares of their own and all larger ones. Shape (n,)."""
    squares = np.square(np.sort(np.abs(kernel), axis=None), dtype=np.float64)
    larger = np.cumsum(squares[::-1])[::-1]
    return (squares / np.maximum(larger, np.finfo(np.float64).tiny)).astype(np.float32)


def _top(magnitudes: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
    """All but that share of the smallest ones."""
    return _all_but(magnitudes, round(share * magnitudes.size))


def _all_but(magnitudes: NDArray[np.float32], count: int) -> NDArray[np.bool_]:
    """All but so many of the smallest ones; of equal ones the first leave."""
    if not count:
        return np.ones(magnitudes.shape, bool)
    # A stable sort tells the same, and takes ten times as long: an epoch has a few of them.
    largest_leaving = np.partition(magnitudes, count - 1, axis=None)[count - 1]
    kept = magnitudes > largest_leaving
    equal = np.flatnonzero(magnitudes == largest_leaving)
    kept.flat[equal[count - int((magnitudes < largest_leaving).sum()) :]] = True
    return kept


def _tiles(matrix: NDArray[np.float32], block: tuple[int, int]) -> NDArray[np.float32]:
    rows, columns = block
    return matrix.reshape(matrix.shape[0] // rows, rows, matrix.shape[1] // columns, columns)


def _matrix(array: NDArray[np.float32], channels: Sequence[int]) -> NDArray[np.float32]:
    """The array as (inputs, outputs)."""
    outputs = int(np.prod([array.shape[axis] for axis in channels]))
    return np.moveaxis(array, channels, range(-len(channels), 0)).reshape(-1, outputs)


def _restored(matrix: NDArray[np.bool_], shape: Sequence[int], channels: Sequence[int]) -> NDArray[np.bool_]:
    """The inverse of `_matrix`."""
    inputs = [length for axis, length in enumerate(shape) if axis not in channels]
    moved = matrix.reshape([*inputs, *(shape[axis] for axis in channels)])
    return np.moveaxis(moved, range(-len(channels), 0), channels)
