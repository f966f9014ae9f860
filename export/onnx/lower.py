"""TensorFlow Lite's operators that tf2onnx leaves as they are, as ONNX's own."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .graph import Graph

__all__ = ["lower"]


def lower(graph: Graph) -> None:
    """Exchange such operators in the main graph; those that are not known here stay, and the file is refused."""
    for node in [each for each in graph.nodes if each.op_type in _LOWERED]:
        graph.remove(node)
        _LOWERED[node.op_type](graph, node, f"{node.output[0]}_lowered")


def _gelu(graph: Graph, node: Any, name: str) -> None:
    """x / 2 (1 + erf(x / sqrt 2)), or with tanh where the model approximates (Hendrycks and Gimpel 2016)."""
    (x,), (result,) = node.input, node.output
    half, one = _number(graph, f"{name}_half", 0.5), _number(graph, f"{name}_one", 1.0)
    if any(each.name == "approximate" and each.i for each in node.attribute):
        # sqrt(2 / pi) (x + 0.044715 x^3)
        cubic, scale = (
            _number(graph, f"{name}_cubic", 0.044715),
            _number(graph, f"{name}_scale", math.sqrt(2 / math.pi)),
        )
        graph.add("Mul", [x, x], [f"{name}_square"])
        graph.add("Mul", [f"{name}_square", cubic], [f"{name}_small"])
        graph.add("Add", [f"{name}_small", one], [f"{name}_factor"])
        graph.add("Mul", [f"{name}_factor", x], [f"{name}_bent"])
        graph.add("Mul", [f"{name}_bent", scale], [f"{name}_scaled"])
        graph.add("Tanh", [f"{name}_scaled"], [f"{name}_curve"])
    else:
        graph.add("Mul", [x, _number(graph, f"{name}_scale", math.sqrt(0.5))], [f"{name}_scaled"])
        graph.add("Erf", [f"{name}_scaled"], [f"{name}_curve"])
    graph.add("Add", [f"{name}_curve", one], [f"{name}_twice"])
    graph.add("Mul", [f"{name}_twice", half], [f"{name}_share"])
    graph.add("Mul", [x, f"{name}_share"], [result])


def _bucketize(graph: Graph, node: Any, name: str) -> None:
    """How many of the boundaries a number reaches."""
    (x,), (result,) = node.input, node.output
    (boundaries,) = [list(each.floats) for each in node.attribute if each.name == "boundaries"]
    kind = graph.onnx.TensorProto
    graph.set_constant(f"{name}_boundaries", np.array(boundaries, np.float32))
    graph.set_constant(f"{name}_last", np.array([-1], np.int64))
    graph.add("Cast", [x], [f"{name}_real"], to=kind.FLOAT)
    graph.add("Unsqueeze", [f"{name}_real", f"{name}_last"], [f"{name}_apart"])
    graph.add("GreaterOrEqual", [f"{name}_apart", f"{name}_boundaries"], [f"{name}_reached"])
    graph.add("Cast", [f"{name}_reached"], [f"{name}_ones"], to=kind.INT32)
    graph.add("ReduceSum", [f"{name}_ones", f"{name}_last"], [result], keepdims=0)


def _clip(low: float, high: float) -> Callable[[Graph, Any, str], None]:
    def lowered(graph: Graph, node: Any, name: str) -> None:
        limits = [_number(graph, f"{name}_low", low), _number(graph, f"{name}_high", high)]
        graph.add("Clip", [*node.input, *limits], list(node.output))

    return lowered


def _number(graph: Graph, name: str, value: float) -> str:
    graph.set_constant(name, np.float32(value))
    return name


_LOWERED: dict[str, Callable[[Graph, Any, str], None]] = {
    "TFL_BUCKETIZE": _bucketize,
    "TFL_GELU": _gelu,
    "TFL_RELU_0_TO_1": _clip(0.0, 1.0),
    "TFL_RELU_N1_TO_1": _clip(-1.0, 1.0),
}
"""tf2onnx's name of the operator to what adds others in its place."""
