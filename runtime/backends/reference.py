"""The numpy reference: dense `.tflite` models executed in plain numpy.

An oracle for the compiled backends, and a way to serve where no wheel exists. It runs what dense classifiers are made
of and refuses everything else by name.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import InputError

from ..formats.content import Content
from ..formats.tensor_names import file_specs
from ..formats.tflite_file import Operator, Subgraph, Tensor
from . import kernels

__all__ = ["ReferenceSession"]

_Array = NDArray[Any]
_Step = Callable[[_Array], _Array]


class ReferenceSession:
    """A dense `.tflite` file: FULLY_CONNECTED, RELU, SOFTMAX, RESHAPE, STRIDED_SLICE, QUANTIZE, DEQUANTIZE."""

    chunk = 256
    failures: tuple[type[Exception], ...] = (ValueError,)

    def __init__(self, name: str, content: Content, threads: int, delegate: bool) -> None:
        model = content.tflite
        if len(model.subgraphs) != 1 or len(model.main.inputs) != 1:
            raise InputError("the numpy backend runs models of one graph and one input: name another backend")
        self._graph = model.main
        self._constants = {t.index: t.values() for t in self._graph.tensors if t.is_constant and not t.sparse}
        self.inputs, self.outputs = file_specs(model)
        self._closed = False
        self._steps: list[tuple[int, int, _Step]] = []
        for operator in self._graph.operators:
            self._plan(operator)

    def call(self, array: _Array) -> _Array:
        """One input in, the first output out."""
        return self.run([array])[0]

    def run(self, arrays: Sequence[_Array]) -> list[_Array]:
        """One array per input, of its exact type; one new array per output."""
        if self._closed:
            raise ValueError("closed")
        spec = self.inputs[0]
        if arrays[0].dtype != spec.dtype or arrays[0].shape[1:] != spec.shape[1:]:
            raise ValueError(f"got {arrays[0].dtype} {arrays[0].shape}, expected {spec.dtype} {spec.shape}")
        values: dict[int, _Array] = {self._graph.inputs[0]: arrays[0]}
        for source, target, step in self._steps:
            values[target] = step(values[source])
        return [values[index].copy() for index in self._graph.outputs]

    def close(self) -> None:
        """Give the memory back."""
        self._closed, self._steps, self._constants = True, [], {}

    def _plan(self, operator: Operator) -> None:
        planner = _PLANNERS.get(operator.name)
        tensors = self._graph.tensors
        if planner is None or any(tensors[i].sparse for i in operator.inputs if i >= 0):
            what = "a sparse-encoded tensor" if planner else operator.name
            raise InputError(f"the numpy backend runs dense models, and this one has {what}: name another backend")
        source, target = operator.inputs[0], operator.outputs[0]
        step = planner(operator, self._graph, self._constants)
        if source in self._constants:
            # Weights stored as float16 are widened by a DEQUANTIZE of their own, once is enough.
            self._constants[target] = step(self._constants[source])
        else:
            self._steps.append((source, target, step))


def _unsupported(operator: Operator, why: str) -> InputError:
    return InputError(f"the numpy backend cannot run this {operator.name}: {why}; name another backend")


def _plan_fully_connected(operator: Operator, graph: Subgraph, constants: dict[int, _Array]) -> _Step:
    x, w = (graph.tensors[i] for i in operator.inputs[:2])
    y = graph.tensors[operator.outputs[0]]
    limits = kernels.activation_limits(operator.options.get("FusedActivationFunction", 0))
    if w.index not in constants:
        raise _unsupported(operator, "its weights are computed")
    if limits is None or operator.options.get("WeightsFormat", 0) != 0:
        raise _unsupported(operator, "its activation or weight layout is unknown")
    weights = constants[w.index]
    units, width = weights.shape
    has_bias = len(operator.inputs) > 2 and operator.inputs[2] >= 0
    bias = constants[operator.inputs[2]] if has_bias else np.zeros(units, np.float32)
    types = (x.dtype, weights.dtype.name, y.dtype)
    if types == ("int8", "int8", "int8"):
        inner = _dense_int8(operator, x, w, y, weights, bias, limits)
    elif types == ("float32", "int8", "float32"):
        inner = _dense_hybrid(operator, w, weights, bias, limits)
    elif types == ("float32", "float32", "float32"):
        transposed = np.ascontiguousarray(weights.T)

        def inner(values: _Array) -> _Array:
            return kernels.activate(values @ transposed + bias, limits)

    else:
        raise _unsupported(operator, f"it takes {x.dtype} and {w.dtype} and gives {y.dtype}")
    keep = bool(operator.options.get("KeepNumDims", False))

    def step(values: _Array) -> _Array:
        result = inner(values.reshape(-1, width))
        return result.reshape(*values.shape[:-1], units) if keep else result

    return step


def _dense_int8(
    operator: Operator, x: Tensor, w: Tensor, y: Tensor, weights: _Array, bias: _Array, limits: tuple[float, float]
) -> _Step:
    if min(len(x.scales), len(w.scales), len(y.scales)) < 1:
        raise _unsupported(operator, "an integer tensor has no scale")
    if np.any(w.zero_points):
        raise _unsupported(operator, "its weights have a zero point")
    if len(w.scales) == 1:
        # TFLite multiplies the two scales in float32 where there is one for the layer, in double where one per channel.
        product = (x.scales[:1] * w.scales).astype(np.float64)
    else:
        product = x.scales[:1].astype(np.float64) * w.scales.astype(np.float64)
    multiplier, shift = kernels.quantize_multiplier(product / np.float64(y.scales[0]))
    zero_point, scale = int(y.zero_points[0]), float(y.scales[0])
    low, high = (
        int(np.clip(zero_point + np.round(end / scale), -128, 127)) if np.isfinite(end) else default
        for end, default in zip(limits, (-128, 127), strict=True)
    )
    wide = weights.T.astype(kernels.integer_matmul_dtype(weights, 128))
    offsets = bias.astype(np.int64) - int(x.zero_points[0]) * weights.sum(axis=1, dtype=np.int64)

    def inner(values: _Array) -> _Array:
        return kernels.fully_connected_int8(values, wide, offsets, multiplier, shift, zero_point, (low, high))

    return inner


def _dense_hybrid(operator: Operator, w: Tensor, weights: _Array, bias: _Array, limits: tuple[float, float]) -> _Step:
    wide = weights.T.astype(kernels.integer_matmul_dtype(weights, 128))
    row_sums = weights.sum(axis=1, dtype=np.int64)
    asymmetric = bool(operator.options.get("AsymmetricQuantizeInputs", False))

    def inner(values: _Array) -> _Array:
        result = kernels.fully_connected_hybrid(values, wide, row_sums, w.scales, bias, asymmetric=asymmetric)
        return kernels.activate(result, limits)

    return inner


def _plan_relu(operator: Operator, graph: Subgraph, constants: dict[int, _Array]) -> _Step:
    if graph.tensors[operator.inputs[0]].dtype != "float32":
        raise _unsupported(operator, "only float32 has one of its own, integers have it fused")
    return lambda values: np.maximum(values, np.float32(0))


def _plan_softmax(operator: Operator, graph: Subgraph, constants: dict[int, _Array]) -> _Step:
    x, y = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    beta = float(operator.options.get("Beta", 1.0))
    if x.dtype == "float32":
        return lambda values: kernels.softmax_float(values, beta)
    if (x.dtype, y.dtype) != ("int8", "int8"):
        raise _unsupported(operator, f"it takes {x.dtype} and gives {y.dtype}")
    scale, output_scale, zero_point = float(x.scales[0]), float(y.scales[0]), int(y.zero_points[0])
    return lambda values: kernels.softmax_int8(values, scale, beta, output_scale, zero_point)


def _plan_reshape(operator: Operator, graph: Subgraph, constants: dict[int, _Array]) -> _Step:
    y = graph.tensors[operator.outputs[0]]
    if len(operator.inputs) > 1 and operator.inputs[1] not in constants:
        raise _unsupported(operator, "its shape is computed")
    # The batch is the one dimension that a caller changes.
    return lambda values: values.reshape(-1, *y.shape[1:])


def _plan_strided_slice(operator: Operator, graph: Subgraph, constants: dict[int, _Array]) -> _Step:
    """A cropped picture."""
    options = operator.options
    special = ("EllipsisMask", "NewAxisMask", "ShrinkAxisMask", "Offset")
    if any(index not in constants for index in operator.inputs[1:]) or any(map(options.get, special)):
        raise _unsupported(operator, "only ranges that the file states are")
    begins, ends, strides = (constants[index].tolist() for index in operator.inputs[1:])
    parts = tuple(
        slice(None if options["BeginMask"] >> i & 1 else begin, None if options["EndMask"] >> i & 1 else end, stride)
        for i, (begin, end, stride) in enumerate(zip(begins, ends, strides, strict=True))
    )
    if min(strides) < 1 or parts[0] != slice(None, None, 1):
        raise _unsupported(operator, "it runs backwards or cuts the batch")
    return lambda values: values[parts]


def _plan_quantize(operator: Operator, graph: Subgraph, constants: dict[int, _Array]) -> _Step:
    x, y = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    scale, zero_point = float(y.scales[0]), int(y.zero_points[0])
    if x.dtype == "float32":
        return lambda values: kernels.affine_quantize(values, scale, zero_point, y.dtype)
    if x.dtype not in ("int8", "uint8") or y.dtype not in ("int8", "uint8"):
        raise _unsupported(operator, f"it takes {x.dtype} and gives {y.dtype}")
    multiplier, shift = kernels.quantize_multiplier(x.scales[:1].astype(np.float64) / np.float64(y.scales[0]))
    limits, offset = np.iinfo(y.dtype), int(x.zero_points[0])

    def step(values: _Array) -> _Array:
        wide = values.astype(np.int64) - offset
        scaled = kernels.multiply_by_quantized_multiplier(wide, multiplier, shift) + zero_point
        return np.clip(scaled, limits.min, limits.max).astype(y.dtype)

    return step


def _plan_dequantize(operator: Operator, graph: Subgraph, constants: dict[int, _Array]) -> _Step:
    x = graph.tensors[operator.inputs[0]]
    if x.dtype == "float16":
        return lambda values: values.astype(np.float32)
    scale, zero_point = np.float64(x.scales[0]), int(x.zero_points[0])
    return lambda values: (scale * (values.astype(np.int64) - zero_point)).astype(np.float32)


_PLANNERS: dict[str, Callable[[Operator, Subgraph, dict[int, _Array]], _Step]] = {
    "FULLY_CONNECTED": _plan_fully_connected,
    "RELU": _plan_relu,
    "SOFTMAX": _plan_softmax,
    "RESHAPE": _plan_reshape,
    "STRIDED_SLICE": _plan_strided_slice,
    "QUANTIZE": _plan_quantize,
    "DEQUANTIZE": _plan_dequantize,
}
