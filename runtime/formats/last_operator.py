"""What a model file's first output means, told by the operator that its numbers last went through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .content import Content

__all__ = ["last_operator"]

_TFLITE_PASSED = frozenset({"DEQUANTIZE", "EXPAND_DIMS", "QUANTIZE", "RESHAPE", "SQUEEZE"})
_ONNX_PASSED = frozenset(
    {"Cast", "DequantizeLinear", "Flatten", "Identity", "QuantizeLinear", "Reshape", "Squeeze", "Unsqueeze"}
)
_SQUASHING = {"SOFTMAX": "softmax", "Softmax": "softmax", "LOGISTIC": "sigmoid", "Sigmoid": "sigmoid"}


def last_operator(content: Content) -> str | None:
    """`softmax`, `sigmoid`, the name of another operator, or None where the file cannot be looked into."""
    found = _FOUND[content.format](content)
    return None if found is None else _SQUASHING.get(found, found)


def _of_tflite(content: Content) -> str | None:
    graph = content.tflite.main
    made = {index: operator for operator in graph.operators for index in operator.outputs}
    tensor = graph.outputs[0] if graph.outputs else -1
    while (operator := made.get(tensor)) is not None:
        if operator.name not in _TFLITE_PASSED:
            return operator.name
        tensor = operator.inputs[0]
    return None


def _of_onnx(content: Content) -> str | None:
    try:
        import onnx
    except ImportError:
        # The runtime's base install cannot look into an .onnx file.
        return None
    graph: Any = onnx.load_from_string(content.data).graph
    made = {name: node for node in graph.node for name in node.output}
    tensor = graph.output[0].name if graph.output else ""
    while (node := made.get(tensor)) is not None:
        if node.op_type not in _ONNX_PASSED:
            return str(node.op_type)
        tensor = node.input[0]
    return None


_FOUND = {"tflite": _of_tflite, "onnx": _of_onnx}
