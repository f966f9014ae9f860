"""What an `.onnx` file really holds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import InputError, TensorSpec

from .description import Constant, Description, Step, constant
from .oldest_runtime import oldest_onnxruntime

__all__ = ["describe_onnx"]

_PARAMETERS = {"QuantizeLinear": (1, 2), "DequantizeLinear": (1, 2), "MatMulInteger": (2, 3), "MatMulNBits": (2, 3)}
"""First and last of the inputs that are scales and zero points."""


def describe_onnx(name: str, content: bytes) -> Description:
    """Read an `.onnx` file.

    Raises:
        InputError: It is damaged.
    """
    onnx = require("onnx", extra="toolkit")
    try:
        model = onnx.load_from_string(content)
        model = onnx.shape_inference.infer_shapes(model)
    except Exception as error:
        raise InputError(f"{name} is no readable ONNX file ({str(error).splitlines()[0]})") from None
    graph = model.graph
    types = {value.name: value.type for value in (*graph.input, *graph.value_info, *graph.output)}
    stored = {initializer.name for initializer in graph.initializer}
    versions = {opset.domain: opset.version for opset in model.opset_import}
    return Description(
        file=name,
        format="onnx",
        bytes=len(content),
        inputs=tuple(_spec(onnx, value) for value in graph.input if value.name not in stored),
        outputs=tuple(_spec(onnx, value) for value in graph.output),
        constants=_constants(onnx, graph),
        steps=tuple(_step(onnx, node, types, versions) for node in graph.node),
        operators=dict(sorted({_operator(node): versions.get(node.domain, 1) for node in graph.node}.items())),
        oldest_runtime=oldest_onnxruntime(
            model.ir_version, versions, {(node.domain, node.op_type) for node in graph.node}
        ),
        metadata={
            "producer": f"{model.producer_name} {model.producer_version}".strip(),
            "ir_version": str(model.ir_version),
            **{prop.key: prop.value for prop in model.metadata_props},
        },
    )


def _operator(node: Any) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain else str(node.op_type)


def _type(onnx: Any, elem_type: int) -> str:
    """`float32` for FLOAT, `int4` for INT4: NumPy's name where it has one."""
    name = onnx.TensorProto.DataType.Name(elem_type).lower()
    return {"float": "float32", "double": "float64"}.get(name, name)


def _shape(tensor_type: Any) -> tuple[int, ...]:
    return tuple(d.dim_value if d.HasField("dim_value") else -1 for d in tensor_type.shape.dim)


def _spec(onnx: Any, value: Any) -> TensorSpec:
    tensor = value.type.tensor_type
    return TensorSpec(value.name, _shape(tensor), _type(onnx, tensor.elem_type))


def _constants(onnx: Any, graph: Any) -> tuple[Constant, ...]:
    values = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    types = {i.name: _type(onnx, i.data_type) for i in graph.initializer}
    quantized: dict[str, _Quantized] = {}
    parameters: set[str] = set()
    for node in graph.node:
        given = [values.get(name) for name in node.input]
        if node.op_type in _PARAMETERS:
            first, last = _PARAMETERS[node.op_type]
            parameters |= set(node.input[first : last + 1])
        if node.op_type == "DequantizeLinear" and given[0] is not None and given[1] is not None:
            zero_point = given[2] if len(given) > 2 else None
            quantized[node.input[0]] = _Quantized(given[1].size, zero_point, _attribute(node, "axis", 1))
        elif node.op_type == "MatMulInteger" and given[1] is not None:
            zero_point = given[3] if len(given) > 3 else None
            quantized[node.input[1]] = _Quantized(1 if zero_point is None else zero_point.size, zero_point, 1)
        elif node.op_type == "MatMulNBits" and given[1] is not None and given[2] is not None:
            name, bits = node.input[1], _attribute(node, "bits", 4)
            shape = (_attribute(node, "N", 0), _attribute(node, "K", 0))
            values[name], types[name] = _unpack(given[1], bits, shape), f"int{bits}"
            quantized[name] = _Quantized(given[2].size, None, 0)
    stored = {i.name: len(i.raw_data) or onnx.numpy_helper.to_array(i).nbytes for i in graph.initializer}
    return tuple(
        _constant(name, array, types[name], stored[name], quantized.get(name), name in parameters)
        for name, array in values.items()
    )


@dataclass(frozen=True, eq=False)
class _Quantized:
    scales: int
    zero_point: NDArray[Any] | None
    axis: int


def _constant(
    name: str, values: NDArray[Any], dtype: str, stored: int, quantized: _Quantized | None, is_parameter: bool
) -> Constant:
    zero_points: NDArray[Any] | int = 0
    if quantized is not None and quantized.zero_point is not None:
        shape = [1] * values.ndim
        if quantized.zero_point.ndim == 1 and quantized.zero_point.size > 1:
            shape[quantized.axis] = quantized.zero_point.size
        zero_points = quantized.zero_point.astype(np.int64).reshape(shape)
    return constant(
        name,
        values if values.dtype.kind in "fiub" else values.astype(np.float32),
        zero_points,
        dtype=dtype,
        stored=stored,
        is_weight=values.ndim >= 2 and dtype != "int64" and not is_parameter,
        scales=quantized.scales if quantized else 0,
        summed_axis=0 if values.ndim == 2 and dtype != "int4" else -1,
    )


def _unpack(packed: NDArray[np.uint8], bits: int, shape: tuple[int, int]) -> NDArray[np.int8]:
    """Weights of MatMulNBits, blocks of packed unsigned integers, as signed ones of shape (outputs, inputs)."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    unsigned = (packed.reshape(packed.shape[0], -1, 1) >> shifts) & (2**bits - 1)
    signed: NDArray[np.int8] = unsigned.reshape(packed.shape[0], -1).astype(np.int8) - np.int8(2 ** (bits - 1))
    return signed[:, : shape[1]]


def _attribute(node: Any, name: str, default: int) -> int:
    return next((int(a.i) for a in node.attribute if a.name == name), default)


def _step(onnx: Any, node: Any, types: dict[str, Any], versions: dict[str, int]) -> Step:
    first = types.get(node.output[0])
    tensor = first.tensor_type if first is not None else None
    return Step(
        operator=_operator(node),
        version=versions.get(node.domain, 1),
        inputs=tuple(name for name in node.input if name),
        outputs=tuple(node.output),
        dtype=_type(onnx, tensor.elem_type) if tensor is not None else "",
        shape=_shape(tensor) if tensor is not None else (),
    )
