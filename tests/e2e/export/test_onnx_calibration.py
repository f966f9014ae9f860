"""Ranges of ONNX files are found from a few samples at a time where a layer's outputs for all of them are too many."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from edgepress.export import Samples
from edgepress.export.onnx import quantize


def _model() -> onnx.ModelProto:
    random = np.random.default_rng(0)
    kernel = random.normal(size=(4, 1, 3, 3)).astype(np.float32)
    weights = random.normal(size=(4 * 36, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["convolved"]),
        helper.make_node("Relu", ["convolved"], ["positive"]),
        helper.make_node("Flatten", ["positive"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(weights, "weights")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _answers(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]


def test_few_samples_at_a_time_come_to_nearly_the_same_ranges(monkeypatch, tmp_path):
    x = np.random.default_rng(1).normal(size=(47, 1, 8, 8)).astype(np.float32)
    model, samples = _model(), Samples({"x": x}, None)
    onnx.save(onnx.shape_inference.infer_shapes(model), tmp_path / "m.onnx")
    # 4 x 6 x 6 numbers thrice, and three of the output.
    each = 4 * (3 * 144 + 3)
    monkeypatch.setattr(quantize, "_KEPT_BYTES", 10 * each)
    assert quantize._samples_at_once(tmp_path / "m.onnx") == 10
    asked, ranged = [], quantize._Feed.set_range

    def set_range(feed, start_index, end_index):
        asked.append((start_index, end_index))
        ranged(feed, start_index, end_index)

    monkeypatch.setattr(quantize._Feed, "set_range", set_range)
    few = _answers(quantize._int8_percentile(model, samples), x)
    # What is asked of all of them at first is not read.
    sizes = [stop - start for start, stop in asked if stop - start < 40]
    assert len(sizes) >= 4
    assert len(set(sizes)) == 1
    assert sizes[0] <= 10
    monkeypatch.setattr(quantize, "_KEPT_BYTES", 500_000_000)
    at_once = _answers(quantize._int8_percentile(model, samples), x)
    wanted = _answers(model, x)
    assert np.abs(few - wanted).mean() < 1.3 * np.abs(at_once - wanted).mean() + 0.01 * np.abs(wanted).mean()
