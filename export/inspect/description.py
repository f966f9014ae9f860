"""The records of what a model file holds, whatever its format."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import TensorSpec

__all__ = ["Constant", "Description", "Step", "constant"]


@dataclass(frozen=True)
class Constant:
    """One stored tensor."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """As stored: float32, float16, int8, uint8, int4, int32, ..."""
    bytes: int
    is_weight: bool
    """Whether it is a matrix or a filter: biases, scales and shapes are none."""
    zeros: int
    """How many elements stand for the real number 0."""
    zero_blocks: float
    """Share of aligned runs of 16 neighbours, along the axis that is summed over, that are all zero."""
    two_of_four: bool
    """Whether every aligned group of four along that axis has two zeros or more."""
    scales: int
    """How many scales it has: 0 for float, 1 per tensor, more per channel or block."""

    @property
    def size(self) -> int:
        """How many elements it has."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Step:
    """One operator of the graph, in the order in which they run."""

    operator: str
    version: int
    inputs: tuple[str, ...]
    """Names of what it takes, constants included."""
    outputs: tuple[str, ...]
    dtype: str
    """Type of its first output."""
    shape: tuple[int, ...]
    """Shape of its first output; -1 where it is free, empty where it is not known."""


@dataclass(frozen=True)
class Description:
    """A whole model file."""

    file: str
    format: str
    """`tflite` or `onnx`."""
    bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    constants: tuple[Constant, ...]
    steps: tuple[Step, ...]
    operators: dict[str, int]
    """Highest version of each operator; for ONNX the operator set's."""
    oldest_runtime: dict[str, str]
    """Oldest release of each runtime that loads the file."""
    metadata: dict[str, str]
    """What the file says about itself."""

    @property
    def weights(self) -> dict[str, float]:
        """Share of the weights stored as each type; sums to 1, empty without weights."""
        counts: Counter[str] = Counter()
        for tensor in self._weights:
            counts[tensor.dtype] += tensor.size
        total = counts.total()
        return {dtype: count / total for dtype, count in sorted(counts.items())}

    @property
    def sparsity(self) -> float:
        """Share of the weights that are exactly zero."""
        total = sum(tensor.size for tensor in self._weights)
        return sum(tensor.zeros for tensor in self._weights) / total if total else 0.0

    @property
    def weight_bytes(self) -> int:
        """What all constants take as stored."""
        return sum(tensor.bytes for tensor in self.constants)

    @property
    def float_steps(self) -> tuple[Step, ...]:
        """Operators that compute in floating point. What stands between dequantizers and quantizers counts as integer:
        runtimes fuse it into integer kernels."""
        floats = [step for step in self.steps if step.dtype.startswith(("float", "bfloat"))]
        if self.format == "tflite":
            return tuple(floats)
        dequantized = {name for step in self.steps if step.operator == "DequantizeLinear" for name in step.outputs}
        quantized = {name for step in self.steps if step.operator == "QuantizeLinear" for name in step.inputs[:1]}
        for step in floats:
            if dequantized.issuperset(step.inputs):
                dequantized |= set(step.outputs)
        for step in reversed(floats):
            if quantized.intersection(step.outputs):
                quantized |= set(step.inputs)
        return tuple(
            step
            for step in floats
            if step.operator != "DequantizeLinear"
            and not (dequantized.issuperset(step.inputs) and quantized.issuperset(step.outputs))
        )

    @property
    def _weights(self) -> Iterable[Constant]:
        return [tensor for tensor in self.constants if tensor.is_weight]


def constant(
    name: str,
    values: NDArray[Any],
    zero_points: NDArray[Any] | int,
    *,
    dtype: str,
    stored: int,
    is_weight: bool,
    scales: int,
    summed_axis: int = -1,
) -> Constant:
    """Measure one tensor.

    Args:
        name: As in the file.
        values: As stored, n-dimensional.
        zero_points: The integers that stand for 0; they broadcast to `values`.
        dtype: Type as stored, where NumPy has no name for it.
        stored: Bytes in the file.
        is_weight: Whether it is a matrix or a filter.
        scales: How many scales it has.
        summed_axis: Along which axis blocks of zeros save work.
    """
    is_zero = values == zero_points
    # Numbers and empty lists have no axis to sum over.
    has_rows = is_zero.ndim > 0 and is_zero.size > 0
    rows = np.moveaxis(is_zero, summed_axis, -1).reshape(-1, is_zero.shape[summed_axis]) if has_rows else is_zero
    return Constant(
        name=name,
        shape=tuple(values.shape),
        dtype=dtype,
        bytes=stored,
        is_weight=is_weight,
        zeros=int(is_zero.sum()),
        zero_blocks=float(_groups(rows, 16).all(-1).mean()) if _divides(16, rows) else 0.0,
        two_of_four=bool((_groups(rows, 4).sum(-1) >= 2).all()) if _divides(4, rows) else False,
        scales=scales,
    )


def _divides(width: int, rows: NDArray[Any]) -> bool:
    return rows.ndim == 2 and rows.size > 0 and rows.shape[1] % width == 0


def _groups(rows: NDArray[Any], width: int) -> NDArray[Any]:
    return rows.reshape(len(rows), -1, width)
