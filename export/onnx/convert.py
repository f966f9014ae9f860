"""TFLite to ONNX, through tf2onnx: one road for float and integer models.

The int8 model is made from the int8 `.tflite`, so that both formats hold the same weights, scales and zero points
and answer alike. tf2onnx writes it as QDQ (quantize and dequantize pairs around float operators), which every execution
provider can fuse in its own way.
"""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.extras import require
from edgepress.runtime.bundle.embedded import EMBEDDED_KEY, Embedded
from edgepress.runtime.formats.tflite_file import TfliteFile, read_tflite

from ..materials import Materials
from ..quiet import quiet
from .graph import Graph
from .lower import lower

__all__ = ["from_tflite", "onnx_metadata", "to_onnx"]

_OPSET = 17
"""Of ONNX 1.12 (2022): old enough for every ONNX Runtime in use, new enough for per-channel dequantization."""
_QUANTIZING = ("DequantizeLinear", "QuantizeLinear")


def from_tflite(materials: Materials) -> bytes:
    """The same model as the `.tflite` file that it is made from."""
    assert materials.embedded is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tflite")
        path.write_bytes(materials.base)
        return to_onnx(path, onnx_metadata(materials.embedded))


def to_onnx(tflite: Path, metadata: dict[str, str]) -> bytes:
    """Convert a float32 or int8 `.tflite` file to ONNX with float inputs and outputs.

    Args:
        tflite: The file; int8 ones have integer inputs and outputs.
        metadata: Metadata properties of the new file.
    """
    with quiet():
        try:
            model = _translated(tflite, careful=False)
        except Exception:  # An optimizer that fails leaves half of its work behind; from the start, each with a copy.
            model = _translated(tflite, careful=True)
    graph = Graph(model)
    lower(graph)
    file = read_tflite(tflite.read_bytes())
    _use_unsigned_integers(graph)
    _float_boundary(graph, file)
    _clip_after_quantizing(graph)
    return graph.finish(_interface_names(file), metadata)


def _translated(tflite: Path, *, careful: bool) -> Any:
    """tf2onnx' model, as its `from_tflite` makes it.

    Args:
        tflite: The file.
        careful: Whether every one of tf2onnx' optimizers is given a copy of the graph, and one that fails is left out.
            Copying it, weights included, some sixty times takes longer than all the rest.
    """
    tf = require("tensorflow", extra="toolkit")
    tfonnx = require("tf2onnx.tfonnx", extra="toolkit")
    optimizer = require("tf2onnx.optimizer", extra="toolkit")
    with tf.device("/cpu:0"), tf.Graph().as_default() as empty:
        graph = tfonnx.process_tf_graph(empty, opset=_OPSET, tflite_path=str(tflite), continue_on_error=True)
        # Each of them writes every weight anew, into memory that is free only when the graph is: forty times the file.
        graph.update_proto = lambda *_: None
        graph = optimizer.optimize_graph(graph, catch_errors=careful)
        graph.__dict__.pop("update_proto", None)
        return graph.make_model("edgepress")


def onnx_metadata(embedded: Embedded) -> dict[str, str]:
    """The properties that let a lone file be used: for edgepress everything, for others the labels as a JSON list."""
    return {EMBEDDED_KEY: embedded.to_json(), "labels": json.dumps(embedded.task.labels)}


def _interface_names(file: TfliteFile) -> dict[str, str]:
    """Tensor names at the boundary to the names that callers know, from the file's signature."""
    names = {}
    for signature in file.signatures[:1]:
        for public, index in (signature.inputs | signature.outputs).items():
            names[file.subgraphs[signature.subgraph].tensors[index].name] = public
    return names


def _use_unsigned_integers(graph: Graph) -> None:
    """Shift activations from int8 to uint8, values and zero points alike: the same real numbers. Weights stay int8,
    where one operator takes them.

    Unsigned by signed is ONNX Runtime's quick form, on x86 with VNNI and on ARM: with both sides unsigned a convolution
    takes twice as long. On x86 without VNNI it saturates at 16 bits, which the session option
    `session.x64quantprecision` prevents; the runtime sets it.
    """
    signed = _weights(graph)
    for name, values in graph.constants().items():
        if values.dtype == np.int8 and name not in signed:
            graph.set_constant(name, (values.astype(np.int16) + 128).astype(np.uint8))
    for value in (*graph.proto.graph.input, *graph.proto.graph.output, *graph.proto.graph.value_info):
        tensor = value.type.tensor_type
        if tensor.elem_type == graph.onnx.TensorProto.INT8:
            tensor.elem_type = graph.onnx.TensorProto.UINT8


def _weights(graph: Graph) -> set[str]:
    """Stored tensors that are dequantized for one operator, with their zero points; one that activations use too gets a
    copy.

    Not those that several operators take, such as the kernels of an unrolled recurrent layer: where
    `session.x64quantprecision` is set, ONNX Runtime makes each signed tensor unsigned once for every operator, under
    one and the same name, and does not load the model ("Attempt to replace the existing tensor").
    """
    constants, kept = graph.constants(), set()
    reads = Counter(name for node in graph.nodes for name in node.input)
    uses: Counter[str] = Counter()
    zero_points = {name for node in graph.nodes if node.op_type in _QUANTIZING for name in node.input[2:3]}
    # Of what is spread or rearranged as integers, the result is an activation.
    moved = {name for node in graph.nodes if node.op_type not in _QUANTIZING for name in node.input}
    for node in graph.nodes:
        if node.op_type == "DequantizeLinear":
            uses[node.input[0]] += reads[node.output[0]]
    for node in graph.nodes:
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants:
            continue
        if uses[node.input[0]] > 1 or node.input[0] in moved:
            continue
        if node.input[0] in zero_points:
            # Of equal numbers tf2onnx keeps one: a stored scalar may be an activation's zero point too.
            stored = f"{node.input[0]}_stored"
            graph.set_constant(stored, constants[node.input[0]])
            node.input[0] = stored
        kept.add(node.input[0])
        if len(node.input) > 2 and node.input[2]:
            name = f"{node.input[0]}_zero_point"
            graph.set_constant(name, constants[node.input[2]])
            node.input[2] = name
            kept.add(name)
    return kept


def _float_boundary(graph: Graph, file: TfliteFile) -> None:
    """Quantize and dequantize inside the file, as the `.tflite` says: QDQ models take and give real numbers."""
    tensors = {tensor.name: tensor for tensor in file.main.tensors}
    for value in (*graph.proto.graph.input, *graph.proto.graph.output):
        if value.type.tensor_type.elem_type != graph.onnx.TensorProto.UINT8:
            continue
        tensor, inner = tensors[value.name], value.name + "_quantized"
        scale, zero_point = value.name + "_scale", value.name + "_zero_point"
        graph.set_constant(scale, tensor.scales[0])
        graph.set_constant(zero_point, np.uint8(tensor.zero_points[0] + 128))
        if value.name in {each.name for each in graph.proto.graph.input}:
            graph.replace_input(value.name, inner)
            graph.add("QuantizeLinear", [value.name, scale, zero_point], [inner])
        else:
            graph.replace_output(value.name, inner)
            graph.add("DequantizeLinear", [inner, scale, zero_point], [value.name])
        value.type.tensor_type.elem_type = graph.onnx.TensorProto.FLOAT


def _clip_after_quantizing(graph: Graph) -> None:
    """Move a Relu behind the quantizer that follows it, as a clip of integers: the same numbers.

    ONNX Runtime drops the Relu itself where the zero point is the lowest integer; elsewhere the Relu would keep it
    from computing the layer in integers.
    """
    constants = graph.constants()
    for relu in [node for node in graph.nodes if node.op_type == "Relu"]:
        readers = graph.readers(relu.output[0])
        if len(readers) != 1 or readers[0].op_type != "QuantizeLinear":
            continue
        (quantize,) = readers
        zero_point = constants[quantize.input[2]]
        graph.remove(relu)
        quantize.input[0] = relu.input[0]
        if zero_point > np.iinfo(zero_point.dtype).min:
            clipped = quantize.output[0]
            quantize.output[0] = clipped + "_unclipped"
            graph.add("Clip", [quantize.output[0], quantize.input[2]], [clipped])
