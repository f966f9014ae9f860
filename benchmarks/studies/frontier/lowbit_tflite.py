"""A stack of low-bit dense layers as the smallest `.tflite` that stock LiteRT runs.

Activations are float32 and quantized while the model runs; weights are int2, int4 or int8 with one scale a layer.
TensorFlow's converter makes no such file below 8 bits, and names every tensor after the operations it once was.
Schema: tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.export.tflite.finish import to_flatbuffer
from edgepress.runtime import InputError
from edgepress.runtime.bundle.embedded import EMBEDDED_KEY

from .lowbit import LowBitWeights

__all__ = ["pack_integers", "write_lowbit_tflite"]

_SCHEMA_VERSION = 3


def pack_integers(integers: NDArray[np.int8], bits: int) -> NDArray[np.uint8]:
    """Signed integers of 2, 4 or 8 bits, the first in the lowest bits of each byte.

    Raises:
        InputError: An integer that the bits do not hold.
    """
    limit = 1 << (bits - 1)
    if integers.size and not (-limit <= integers.min() and integers.max() < limit):
        raise InputError(f"integers from {integers.min()} to {integers.max()}: int{bits} holds {-limit} to {limit - 1}")
    a_byte = 8 // bits
    flat = integers.astype(np.uint8).reshape(-1) & np.uint8((1 << bits) - 1)
    flat = np.pad(flat, (0, -len(flat) % a_byte)).reshape(-1, a_byte)
    packed: NDArray[np.uint8] = (flat << np.arange(0, 8, bits, dtype=np.uint8)).sum(axis=1).astype(np.uint8)
    return packed


def write_lowbit_tflite(
    layers: Sequence[LowBitWeights], bits: int, *, essentials: str, pool: tuple[int, int, int] | None = None
) -> bytes:
    """The file: float32 pixels / 255 in, logits out.

    Args:
        layers: From input to output; ReLU between them.
        bits: 2, 4 or 8, of every layer's weights.
        essentials: JSON of `Embedded`: labels and preprocessing.
        pool: (height, width, size): the input is an image (1, height, width, 1) whose size x size blocks are averaged
            first. Without it the input is (1, inputs).
    """
    write = _Writer(require("ai_edge_litert.schema_py_generated", extra="toolkit"))
    schema = write.schema
    if pool is None:
        x = write.tensor((1, layers[0].integers.shape[1]))
        write.graph.inputs = [x]
    else:
        height, width, size = pool
        image = write.tensor((1, height, width, 1))
        write.graph.inputs = [image]
        x = write.tensor((1, height // size, width // size, 1))
        options = schema.Pool2DOptionsT()
        options.padding = schema.Padding.VALID
        options.strideH = options.strideW = options.filterHeight = options.filterWidth = size
        write.operator("AVERAGE_POOL_2D", [image], x, options)
    for number, layer in enumerate(layers):
        units = len(layer.integers)
        weights = write.weights(layer, bits)
        bias = write.tensor((units,), layer.bias.astype(np.float32)) if layer.bias.any() else -1
        y = write.tensor((1, units))
        options = schema.FullyConnectedOptionsT()
        if number < len(layers) - 1:
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        write.operator("FULLY_CONNECTED", [x, weights, bias], y, options)
        x = y
    write.graph.outputs = [x]
    write.metadata(EMBEDDED_KEY, essentials.encode())
    return write.content()


class _Writer:
    """Fills the object form of the schema's tables."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        self.model.version = _SCHEMA_VERSION
        self.model.subgraphs = [self.graph]
        # By convention buffer 0 is empty: tensors without values point to it.
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes, self.graph.tensors, self.graph.operators = [], [], []

    def tensor(self, shape: tuple[int, ...], values: NDArray[Any] | None = None) -> int:
        """Add a float32 tensor; computed where there are no values."""
        tensor = self.schema.TensorT()
        tensor.shape, tensor.type = list(shape), self.schema.TensorType.FLOAT32
        tensor.buffer = 0 if values is None else self._buffer(values.tobytes())
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def weights(self, layer: LowBitWeights, bits: int) -> int:
        """Add a layer's integers."""
        tensor = self.schema.TensorT()
        tensor.shape = list(layer.integers.shape)
        tensor.type = getattr(self.schema.TensorType, f"INT{bits}")
        tensor.buffer = self._buffer(pack_integers(layer.integers, bits).tobytes())
        tensor.quantization = self.schema.QuantizationParametersT()
        tensor.quantization.scale = np.array([layer.scale], np.float32)
        tensor.quantization.zeroPoint = np.zeros(1, np.int64)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(self, name: str, inputs: list[int], output: int, options: Any) -> None:
        """Add a step with one output."""
        number = getattr(self.schema.BuiltinOperator, name)
        codes = [code.builtinCode for code in self.model.operatorCodes]
        if number not in codes:
            code = self.schema.OperatorCodeT()
            code.builtinCode = code.deprecatedBuiltinCode = number
            code.version = 1
            self.model.operatorCodes.append(code)
            codes.append(number)
        operator = self.schema.OperatorT()
        operator.opcodeIndex = codes.index(number)
        operator.inputs, operator.outputs = inputs, [output]
        operator.builtinOptions = options
        operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.graph.operators.append(operator)

    def metadata(self, name: str, content: bytes) -> None:
        """Add a metadata buffer."""
        entry = self.schema.MetadataT()
        entry.name, entry.buffer = name.encode(), self._buffer(content)
        self.model.metadata = [entry]

    def content(self) -> bytes:
        """The file."""
        return to_flatbuffer(self.model)

    def _buffer(self, content: bytes) -> int:
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1
