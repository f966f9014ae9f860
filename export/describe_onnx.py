"""What an `.onnx` file really holds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError, TensorSpec
from edgepress.runtime.extras import require

from .describe import Constant, Description, Step, constant
from .oldest_runtime import oldest_onnxruntime

__all__ = ["describe_onnx"]

_PARAMETERS = {"QuantizeLinear": (1, 2), "DequantizeLinear": (1, 2)}
"""Inputs that are scales and zero points."""


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
        oldest_runtime=oldest_onnxruntime(model.ir_version, versions),
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
    """Initializers; each one's zero point comes from the DequantizeLinear that reads it."""
    values = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    zero_points: dict[str, NDArray[Any] | int] = {}
    scales: dict[str, int] = {}
    parameters = set()
    for node in graph.node:
        parameters |= {node.input[i] for i in _PARAMETERS.get(node.op_type, ()) if i < len(node.input)}
        if node.op_type == "DequantizeLinear" and node.input[0] in values:
            name, scale = node.input[0], values.get(node.input[1])
            if scale is None:
                continue
            scales[name] = scale.size
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
            if len(node.input) > 2 and (zero_point := values.get(node.input[2])) is not None:
                shape = [1] * values[name].ndim
                if zero_point.ndim == 1:
                    shape[axis] = zero_point.size
                zero_points[name] = zero_point.astype(np.int64).reshape(shape) if zero_point.ndim <= 1 else 0
    found = []
    for initializer in graph.initializer:
        name, array = initializer.name, values[initializer.name]
        dtype = _type(onnx, initializer.data_type)
        numeric = array if array.dtype.kind in "fiub" else array.astype(np.float32)
        packed = 0.5 if dtype in ("int4", "uint4") else array.dtype.itemsize
        found.append(
            constant(
                name,
                numeric,
                zero_points.get(name, 0),
                dtype=dtype,
                stored=int(np.ceil(array.size * packed)),
                is_weight=array.ndim >= 2 and dtype != "int64" and name not in parameters,
                scales=scales.get(name, 0),
                summed_axis=0 if array.ndim == 2 else -1,
            )
        )
    return tuple(found)


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
