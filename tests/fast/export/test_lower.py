"""Operators that tf2onnx leaves as TensorFlow Lite's, and what it says wrongly of loops, against their definitions."""

import math

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgepress.export.onnx.convert import _use_unsigned_integers
from edgepress.export.onnx.graph import Graph
from edgepress.export.onnx.lower import lower


def ran(nodes, x, kind=TensorProto.FLOAT, constants=()):
    """What a graph of those nodes makes of x, once it is lowered and finished."""
    ends = [helper.make_tensor_value_info(n, t, list(x.shape)) for n, t in (("x", TensorProto.FLOAT), ("y", kind))]
    graph = Graph(
        helper.make_model(
            helper.make_graph(nodes, "g", ends[:1], ends[1:], list(constants)),
            opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
        )
    )  # fmt: skip
    lower(graph)
    session = onnxruntime.InferenceSession(graph.finish({}, {}), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def gelu(x, approximate):
    if approximate:
        return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


X = np.linspace(-5, 5, 41, dtype=np.float32).reshape(1, 41)


@pytest.mark.parametrize("approximate", [0, 1])
def test_gelu(approximate):
    given = ran([helper.make_node("TFL_GELU", ["x"], ["y"], approximate=approximate)], X)
    np.testing.assert_allclose(given, gelu(X.astype(np.float64), approximate), atol=1e-6)


def test_bucketize_counts_the_boundaries_that_are_reached():
    node = helper.make_node("TFL_BUCKETIZE", ["x"], ["y"], boundaries=[-1.0, 0.0, 2.5])
    np.testing.assert_array_equal(ran([node], X, TensorProto.INT32), np.digitize(X, [-1.0, 0.0, 2.5]))


@pytest.mark.parametrize(("name", "low"), [("TFL_RELU_0_TO_1", 0), ("TFL_RELU_N1_TO_1", -1)])
def test_narrow_relus(name, low):
    np.testing.assert_array_equal(ran([helper.make_node(name, ["x"], ["y"])], X), np.clip(X, low, 1))


def test_a_stored_number_that_is_spread_as_integers_is_an_activation():
    stored = [
        numpy_helper.from_array(np.asarray(values), name)
        for name, values in {
            "weight": np.int8([4]), "zero": np.int8(0), "scale": np.float32(0.5), "shape": np.int64([1, 41]),
        }.items()
    ]  # fmt: skip
    nodes = [
        helper.make_node("DequantizeLinear", ["weight", "scale", "zero"], ["one"]),
        helper.make_node("Expand", ["weight", "shape"], ["many"]),
        helper.make_node("DequantizeLinear", ["many", "scale", "zero"], ["spread"]),
        helper.make_node("Add", ["x", "one"], ["sum"]),
        helper.make_node("Add", ["sum", "spread"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 41]) for name in ("x", "y")]
    model = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:], stored), opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )  # fmt: skip
    _use_unsigned_integers(Graph(model))
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(None, {"x": X})[0], X + 4)


def test_what_a_loop_carries_in_an_unknown_shape_is_inferred():
    tensor = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Gather", ["steps", "count"], ["step"]),
            helper.make_node("Identity", ["again"], ["more"]),
            helper.make_node("Identity", ["steps"], ["same"]),
        ],
        "body",
        [tensor("count", TensorProto.INT64, []), tensor("again", TensorProto.BOOL, []),
         tensor("steps", TensorProto.FLOAT, [])],
        [tensor("more", TensorProto.BOOL, []), tensor("same", TensorProto.FLOAT, None),
         tensor("step", TensorProto.FLOAT, None)],
    )  # fmt: skip
    constants = [
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in {"most": np.int64(1), "yes": np.bool_(True)}.items()
    ]
    loop = helper.make_node("Loop", ["most", "yes", "x"], ["all", "y"], body=body)
    np.testing.assert_array_equal(ran([loop], X, constants=constants), X)
