"""The structural check of an `.onnx` file of unknown origin, where the `onnx` package is at hand.

ONNX Runtime survives damaged files, but not hostile ones: 155 bytes can ask for 2 GB, and a loop need not end. What is
not on the list of operators below needs isolation.
"""

import importlib.util
import math
from typing import Any

from edgepress.base.errors import ArtifactRefusedError

__all__ = ["check_onnx"]

_MEMORY = 1 << 28
_LARGEST_ATTRIBUTE = 1 << 16
_DOMAINS = ("", "ai.onnx", "com.microsoft")

# Operators whose output is not larger than their inputs and attributes allow.
# fmt: off
_KNOWN = frozenset({
    "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Conv", "DequantizeLinear", "Div",
    "DynamicQuantizeLinear", "Flatten", "Gemm", "GlobalAveragePool", "Identity", "LeakyRelu", "LogSoftmax",
    "MatMul", "MatMulInteger", "MatMulNBits", "MaxPool", "Mul", "QuantizeLinear", "Relu", "Reshape",
    "Sigmoid", "Softmax", "Squeeze", "Sub", "Tanh", "Transpose", "Unsqueeze",
})
# fmt: on
# Those that may work on constants alone: a product of two constants can be far larger than the file.
_FOLDABLE = frozenset({"Cast", "DequantizeLinear", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})


def check_onnx(content: bytes) -> bool:
    """Whether the check vouches for the file: False where it holds other operators, or `onnx` is not installed.

    Raises:
        ArtifactRefusedError: The file is damaged, or reaches for files outside itself.
    """
    if importlib.util.find_spec("onnx") is None:
        return False
    import onnx

    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:
        # protobuf has an exception class of its own in each of its implementations.
        raise _refuse(f"it cannot be parsed ({type(error).__name__})") from None
    graph = model.graph
    if not graph.node or not graph.input or not graph.output:
        raise _refuse("it has no node, input or output")
    for tensor in graph.initializer:
        _check_tensor(onnx, tensor)
    known = all(node.op_type in _KNOWN and node.domain in _DOMAINS for node in graph.node)
    plain = all(_plain_attributes(node) for node in graph.node)
    return known and plain and not model.functions and not graph.sparse_initializer and not _grows(graph)


def _refuse(what: str) -> ArtifactRefusedError:
    return ArtifactRefusedError(f"the .onnx file is unsafe: {what}; get it again from its source")


def _check_tensor(onnx: Any, tensor: Any) -> None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise _refuse(f"tensor {tensor.name[:40]} is in another file")
    if min(tensor.dims, default=1) < 0 or math.prod(tensor.dims) > _MEMORY:
        raise _refuse(f"tensor {tensor.name[:40]} has shape {tuple(tensor.dims)}")


def _plain_attributes(node: Any) -> bool:
    for attribute in node.attribute:
        if (
            attribute.HasField("g")
            or attribute.graphs
            or attribute.HasField("sparse_tensor")
            or attribute.ref_attr_name
        ):
            return False
        if any(abs(value) > _LARGEST_ATTRIBUTE for value in (attribute.i, *attribute.ints)):
            return False
    return True


def _grows(graph: Any) -> bool:
    """Whether an operator that can enlarge its inputs works on constants alone."""
    constants = {tensor.name for tensor in graph.initializer} | {""}
    for node in graph.node:
        if constants.issuperset(node.input):
            if node.op_type not in _FOLDABLE:
                return True
            constants.update(node.output)
    return False
