"""Shapes that a converted graph computes while it runs, although all but the batch is known.

TensorFlow's converter takes the batch from the tensor itself: SHAPE, STRIDED_SLICE, PACK, RESHAPE. Microcontrollers and
the runtime's structural check know RESHAPE with a stored shape only, where -1 stands for whatever is left: the same.
"""

from typing import Any

import numpy as np

__all__ = ["store_shapes"]


def store_shapes(schema: Any, model: Any) -> None:
    """Store the shape of each RESHAPE that computes one number of it, and drop what only computed that.

    Args:
        schema: The generated module of the schema.
        model: In the schema's object form; changed in place.
    """
    builtin = schema.BuiltinOperator
    for graph in model.subgraphs:
        codes = {id(op): model.operatorCodes[op.opcodeIndex].builtinCode for op in graph.operators}
        packs = {op.outputs[0]: op for op in graph.operators if codes[id(op)] == builtin.PACK}
        for op in graph.operators:
            if codes[id(op)] == builtin.RESHAPE and len(op.inputs) > 1 and op.inputs[1] in packs:
                numbers = [_stored(model, graph.tensors[i]) for i in packs[op.inputs[1]].inputs]
                if sum(number is None for number in numbers) <= 1:
                    shape = np.array([-1 if number is None else number for number in numbers], np.int32)
                    op.inputs = np.array([op.inputs[0], _add_constant(schema, model, graph, shape)], np.int32)
        _drop_unread(graph)
    _drop_unused_codes(model)


def _stored(model: Any, tensor: Any) -> int | None:
    """The one number that a tensor holds; None where it is computed."""
    data = model.buffers[tensor.buffer].data
    return None if data is None or len(data) == 0 else int(np.frombuffer(bytes(data), np.int32)[0])


def _add_constant(schema: Any, model: Any, graph: Any, values: Any) -> int:
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.buffer, tensor.type, tensor.name = len(model.buffers) - 1, schema.TensorType.INT32, b"shape"
    tensor.shape = np.array(values.shape, np.int32)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _drop_unread(graph: Any) -> None:
    """Operators whose outputs nothing takes, until there are none."""
    while True:
        read = {i for op in graph.operators for i in op.inputs} | set(graph.outputs)
        kept = [op for op in graph.operators if read.intersection(op.outputs)]
        if len(kept) == len(graph.operators):
            return
        graph.operators = kept


def _drop_unused_codes(model: Any) -> None:
    used = sorted({op.opcodeIndex for graph in model.subgraphs for op in graph.operators})
    for graph in model.subgraphs:
        for op in graph.operators:
            op.opcodeIndex = used.index(op.opcodeIndex)
    model.operatorCodes = [model.operatorCodes[i] for i in used]
