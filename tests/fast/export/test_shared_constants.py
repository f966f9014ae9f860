"""One number in two roles: tf2onnx keeps equal constants once, and a weight may be an activation's zero point too."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from edgepress.export.onnx.convert import _use_unsigned_integers
from edgepress.export.onnx.graph import Graph


def test_a_weight_that_is_a_zero_point_too_has_both_types():
    constants = {"scale": np.float32(0.5), "both": np.int8(4)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "both"], ["steps"]),
        helper.make_node("DequantizeLinear", ["steps", "scale", "both"], ["reals"]),
        helper.make_node("DequantizeLinear", ["both", "scale", "both"], ["weight"]),
        helper.make_node("Add", ["reals", "weight"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in ("x", "y")]
    stored = [numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:], stored), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    graph = Graph(model)
    _use_unsigned_integers(graph)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = np.array([-1, 0, 1.5], np.float32)
    np.testing.assert_array_equal(session.run(None, {"x": given})[0], given + 0)
    types = {each.name: each.data_type for each in model.graph.initializer}
    assert types["both"] == TensorProto.UINT8
    assert TensorProto.INT8 in types.values(), "the weight stays signed"
