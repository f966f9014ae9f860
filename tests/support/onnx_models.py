"""Small `.onnx` files as other people's exporters write them, channels first; written by hand."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def of_channels(path, kernel, *, size=(None, 3, 8, 8), scale=1.0, softmax=False, classes=None, **properties):
    """y = kernel (mean of each channel * scale), for pictures with channels first; `kernel` (classes, 3).

    Args:
        path: Where to write it.
        kernel: Shape (classes, 3).
        size: Of the input.
        scale: Of the pixels.
        softmax: Whether it gives probabilities.
        classes: Whether the most probable class is given too, before them.
        properties: Of the file.
    """
    kernel = np.asarray(kernel, np.float32) * scale
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["means", "kernel"], ["logits"], transB=1),
    ]
    last = "logits"
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["shares"], axis=1))
        last = "shares"
    outputs = [helper.make_tensor_value_info(last, TensorProto.FLOAT, [size[0], len(kernel)])]
    if classes:
        nodes.append(helper.make_node("ArgMax", [last], ["class"], axis=1, keepdims=0))
        outputs.insert(0, helper.make_tensor_value_info("class", TensorProto.INT64, [size[0]]))
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(size))], outputs,
        [numpy_helper.from_array(kernel, "kernel")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, properties)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def colours(count, seed=0, size=8):
    """Pictures whose brightest channel, mostly, is their class: uint8 (n, size, size, 3) and (n,)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    pixels = rng.integers(0, 120, (count, size, size, 3)) + rng.integers(0, 60, (count, 1, 1, 3))
    pixels[np.arange(count), :, :, labels] += 40
    return np.clip(pixels, 0, 255).astype(np.uint8), labels


def of_a_shared_weight(path, weight, *, scale=0.02, step=0.05):
    """y = x W W in QDQ form, whose two products take one signed weight: Keras 3's quantized models are written so.

    Args:
        path: Where to write it.
        weight: int8, shape (n, n).
        scale: Of the weight.
        step: Of the activations, which are unsigned around 128.
    """
    stored = {"step": np.float32(step), "middle": np.uint8(128), "scale": np.float32(scale), "zero": np.int8(0)}
    stored["weight"] = np.asarray(weight, np.int8)
    nodes = []

    def rounded(source, target):
        nodes.append(helper.make_node("QuantizeLinear", [source, "step", "middle"], [f"{target}_steps"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{target}_steps", "step", "middle"], [target]))

    rounded("x", "first")
    for source, product, target in (("first", "p", "second"), ("second", "q", "y")):
        nodes.append(helper.make_node("DequantizeLinear", ["weight", "scale", "zero"], [f"w_{product}"]))
        nodes.append(helper.make_node("MatMul", [source, f"w_{product}"], [product]))
        rounded(product, target)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, len(weight)]) for name in ("x", "y")]
    constants = [numpy_helper.from_array(np.asarray(values), name) for name, values in stored.items()]
    graph = helper.make_graph(nodes, "shared", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
