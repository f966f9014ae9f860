"""Models of one dense layer, written by hand: no training, no converter."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgepress.export.tflite.finish import to_flatbuffer


def dense(kernel, bias=None, *, inputs=None, logistic=False):
    """A `.tflite`: y = kernel x + bias.

    Args:
        kernel: Shape (outputs, inputs).
        bias: Shape (outputs,); zeros by default.
        inputs: Names and sizes where there are several, which are joined first; `x` by default.
        logistic: Whether a sigmoid follows.
    """
    kernel = np.asarray(kernel, np.float32)
    bias = np.zeros(len(kernel), np.float32) if bias is None else np.asarray(bias, np.float32)
    inputs = inputs or {"x": kernel.shape[1]}
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers = 3, [graph], [schema.BufferT()]
    model.operatorCodes, graph.tensors, graph.operators = [], [], []

    def tensor(name, shape, values=None):
        made = schema.TensorT()
        made.name, made.shape, made.type = name.encode(), list(shape), schema.TensorType.FLOAT32
        if values is None:
            made.shapeSignature, made.buffer = [-1, *shape[1:]], 0
        else:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            model.buffers.append(buffer)
            made.buffer = len(model.buffers) - 1
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    def operator(name, sources, target, options=None):
        code, made = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
        code.version = 1
        model.operatorCodes.append(code)
        made.opcodeIndex, made.inputs, made.outputs = len(model.operatorCodes) - 1, sources, [target]
        if options is not None:
            made.builtinOptions = options
            made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        graph.operators.append(made)

    graph.inputs = [tensor(name, (1, size)) for name, size in inputs.items()]
    x = graph.inputs[0]
    if len(inputs) > 1:
        x = tensor("joined", (1, kernel.shape[1]))
        options = schema.ConcatenationOptionsT()
        options.axis = 1
        operator("CONCATENATION", graph.inputs, x, options)
    y = tensor("y", (1, len(kernel)))
    weights = [tensor("kernel", kernel.shape, kernel), tensor("bias", bias.shape, bias)]
    operator("FULLY_CONNECTED", [x, *weights], y, schema.FullyConnectedOptionsT())
    if logistic:
        x, y = y, tensor("share", (1, len(kernel)))
        operator("LOGISTIC", [x], y)
    graph.outputs = [y]
    return to_flatbuffer(model)
