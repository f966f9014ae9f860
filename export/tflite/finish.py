"""The last step of every `.tflite` file: names that callers know, metadata, labels."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgepress.base.extras import require
from edgepress.runtime.bundle.embedded import EMBEDDED_KEY, Embedded

from ..materials import Materials
from .metadata import append_labels, model_metadata
from .shapes import store_shapes

__all__ = ["SIGNATURE", "converted", "finish", "finish_tflite", "to_flatbuffer"]

SIGNATURE = "serving_default"
_IDENTIFIER = b"TFL3"
_CONVERSION = b"CONVERSION_METADATA"
_ALIGNMENT = 16
"""Of buffers, as the schema demands (`force_align: 16`)."""
_PLACEHOLDER_FOR_GREATER_CODES = 127
_CONV_2D, _DEPTHWISE_CONV_2D, _FULLY_CONNECTED = 3, 4, 9
_INT4_VERSIONS = {
    (_FULLY_CONNECTED, True): 12,
    (_FULLY_CONNECTED, False): 10,
    (_CONV_2D, True): 8,
    (_CONV_2D, False): 7,
    (_DEPTHWISE_CONV_2D, True): 7,
    (_DEPTHWISE_CONV_2D, False): 7,
}
"""Operator and whether its input is float, to the version that 4-bit weights need (TFLite's op_version.cc)."""
_WRAPPING = re.compile(r"(sequential|model|functional)(_\d+)?|StatefulPartitionedCall|PartitionedCall")
"""Steps of a path that name no layer."""


def converted(materials: Materials) -> bytes:
    """The model as TensorFlow's converter makes it under the variant's settings."""
    assert materials.variant.settings is not None
    return finish(materials.conversions.content(materials.variant.settings), materials)


def finish(content: bytes, materials: Materials) -> bytes:
    """`finish_tflite` with the names and descriptions of the model at hand."""
    assert materials.embedded is not None
    keras = materials.source.model
    return finish_tflite(
        content,
        materials.source.name,
        keras_name=keras.name,
        input_names=keras.input_names,
        output_names=keras.output_names,
        embedded=materials.embedded,
    )


def finish_tflite(
    content: bytes,
    name: str,
    *,
    keras_name: str,
    input_names: Sequence[str],
    output_names: Sequence[str],
    embedded: Embedded,
) -> bytes:
    """Write the file again with its interface named and described, and shapes that are known stored. What it computes
    and its weights stay as they are.

    Args:
        content: What a converter made.
        name: What the model is called.
        keras_name: What Keras calls it: paths of operations begin with it.
        input_names: Names of the inputs in Keras, in the order of its arguments.
        output_names: Of the outputs.
        embedded: Labels, preprocessing and the output's meaning.
    """
    schema = require("ai_edge_litert.schema_py_generated", extra="toolkit")
    model = schema.ModelT.InitFromPackedBuf(content)
    graph = model.subgraphs[0]
    _name_interface(schema, model, input_names, output_names)
    _free_the_batch(graph)
    store_shapes(schema, model)
    _state_versions(schema, model)
    names = _interface_names(model)
    # No name twice in the whole file: ONNX sees a loop's body and what is around it as one space of names.
    taken = set(names.values())
    for subgraph in model.subgraphs:
        _name_tensors(subgraph, keras_name, names if subgraph is graph else {}, taken)
    metadata = model_metadata(
        name,
        [(names[i], len(graph.tensors[i].shape)) for i in graph.inputs],
        [names[i] for i in graph.outputs],
        embedded.contract.picture if len(graph.inputs) == 1 else None,
        embedded.task.labels,
    )
    model.description = name.encode()
    # The converter's version and settings stand in the manifest.
    _drop_metadata(model, _CONVERSION)
    _add_metadata(schema, model, "TFLITE_METADATA", metadata)
    _add_metadata(schema, model, EMBEDDED_KEY, embedded.to_stream())
    _share_the_empty_buffer(model)
    return append_labels(to_flatbuffer(model), embedded.task.labels)


def _free_the_batch(graph: Any) -> None:
    """The 4-bit quantizer forgets which dimension of the tensors it adds is free; its neighbours know."""
    for operator in graph.operators:
        ends = [graph.tensors[i] for i in (*operator.inputs[:1], *operator.outputs)]
        free = [tensor for tensor in ends if tensor.shapeSignature is not None and tensor.shapeSignature[0] == -1]
        for tensor in ends:
            if free and tensor.shapeSignature is None and len(tensor.shape) and tensor.shape[0] == 1:
                tensor.shapeSignature = np.array([-1, *tensor.shape[1:]], np.int32)


def _state_versions(schema: Any, model: Any) -> None:
    """Give operators with 4-bit weights the versions that such weights need.

    The 4-bit quantizer leaves the float operators' versions, and tflite-runtime 2.14 then loads the file and answers
    nonsense. Float inputs with one scale per channel came with version 12 of FULLY_CONNECTED.
    """
    for code in model.operatorCodes:
        # Readers of files before TF 2.4 know only this field.
        code.deprecatedBuiltinCode = min(code.builtinCode, _PLACEHOLDER_FOR_GREATER_CODES)
    for graph in model.subgraphs:
        for operator in graph.operators:
            types = [graph.tensors[i].type for i in operator.inputs if i >= 0]
            if len(types) > 1 and types[1] == schema.TensorType.INT4:
                code = model.operatorCodes[operator.opcodeIndex]
                needed = _INT4_VERSIONS.get((code.builtinCode, types[0] == schema.TensorType.FLOAT32), 1)
                code.version = max(code.version, needed)


def _name_interface(schema: Any, model: Any, input_names: Sequence[str], output_names: Sequence[str]) -> None:
    """One signature, whose names are the model's: both sides keep the order of its arguments."""
    signature, graph = schema.SignatureDefT(), model.subgraphs[0]
    signature.signatureKey = SIGNATURE.encode()
    signature.subgraphIndex = 0
    signature.inputs = [_entry(schema, *pair) for pair in zip(input_names, graph.inputs, strict=True)]
    signature.outputs = [_entry(schema, *pair) for pair in zip(output_names, graph.outputs, strict=True)]
    model.signatureDefs = [signature]


def _entry(schema: Any, name: str, tensor: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name.encode(), int(tensor)
    return entry


def _name_tensors(graph: Any, keras_name: str, interface: Mapping[int, str], taken: set[str]) -> None:
    """`dense/kernel`, `dense/bias`, `dense` in place of the converter's lists of every operation that was folded."""
    made = {i for operator in graph.operators for i in operator.outputs}
    for i, tensor in enumerate(graph.tensors):
        if i in interface:
            tensor.name = interface[i].encode()
            continue
        layer = _layer(tensor.name.decode(), keras_name)
        if not layer:
            continue
        computed = i in made or i in graph.inputs
        # A single number has no shape in the file.
        few = tensor.shape is None or len(tensor.shape) < 2
        part = "" if computed else "/bias" if few else "/kernel"
        name, count = layer + part, 1
        while name in taken:
            count += 1
            name = f"{layer}{part}_{count}"
        taken.add(name)
        tensor.name = name.encode()


def _layer(name: str, keras_name: str) -> str:
    """The layer that most of a converter's name speaks of; empty where it speaks of none."""
    layers: Counter[str] = Counter()
    for part in re.sub(r":\d+$", "", name).split(";"):
        path = [p for p in part.split("/") if not _WRAPPING.fullmatch(p)]
        if path[:1] == [keras_name]:
            del path[0]
        if len(path) > 1:
            layers[path[0].removeprefix("quant_")] += 1
    return layers.most_common(1)[0][0] if layers else ""


def _interface_names(model: Any) -> dict[int, str]:
    """Tensor index to the signature's name, or the tensor's own where there is no signature."""
    graph = model.subgraphs[0]
    names = {i: graph.tensors[i].name.decode() for i in (*graph.inputs, *graph.outputs)}
    for signature in model.signatureDefs or []:
        names |= {entry.tensorIndex: entry.name.decode() for entry in (*signature.inputs, *signature.outputs)}
    return names


def _drop_metadata(model: Any, name: bytes) -> None:
    for each in model.metadata or []:
        if each.name == name:
            # Other buffers keep their places.
            model.buffers[each.buffer].data = None
    model.metadata = [each for each in model.metadata or [] if each.name != name]


def _add_metadata(schema: Any, model: Any, name: str, content: bytes) -> None:
    _drop_metadata(model, name.encode())
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(content, np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = name.encode(), len(model.buffers) - 1
    model.metadata.append(entry)


def _share_the_empty_buffer(model: Any) -> None:
    """Give tensors that are computed the first buffer, which is empty by the schema, and drop those that nothing has.

    A buffer that holds nothing at all is not one that holds no bytes: that is a constant without elements.
    """
    first = model.buffers[0]
    held = {0: first}
    users = [*(tensor for graph in model.subgraphs for tensor in graph.tensors), *model.metadata]
    for user in users:
        buffer = model.buffers[user.buffer]
        if buffer.data is None and not buffer.offset and first.data is None:
            user.buffer = 0
        held[user.buffer] = model.buffers[user.buffer]
    places = {old: new for new, old in enumerate(sorted(held))}
    model.buffers = [held[old] for old in sorted(held)]
    model.metadataBuffer = None
    for user in users:
        user.buffer = places[user.buffer]


def to_flatbuffer(model: Any) -> bytes:
    """The bytes of a model in the schema's object form, buffers aligned as the schema demands."""
    import flatbuffers

    class Builder(flatbuffers.Builder):
        """Aligns buffers, on which kernels rely and which the generated code leaves out; writes equal vectors and equal
        texts once, such as the zero points of every channel."""

        def __init__(self, size: int) -> None:
            super().__init__(size)
            self._written: dict[tuple[str, bytes], int] = {}

        def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:
            offset: int = super().StartVector(elemSize, numElems, _ALIGNMENT if elemSize == 1 else alignment)
            return offset

        def CreateNumpyVector(self, x: Any) -> int:
            return self._once((x.dtype.str, x.tobytes()), lambda: super(Builder, self).CreateNumpyVector(x))

        def CreateString(self, s: Any, encoding: str = "utf-8", errors: str = "strict") -> int:
            content = s if isinstance(s, bytes) else s.encode(encoding, errors)
            return self._once(("", content), lambda: super(Builder, self).CreateString(content))

        def _once(self, key: tuple[str, bytes], write: Callable[[], int]) -> int:
            if key not in self._written:
                self._written[key] = write()
            return self._written[key]

    builder = Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())
