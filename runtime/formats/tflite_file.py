"""What a `.tflite` file holds, as plain Python: tensors, operators, buffers, metadata. Executes nothing.

Schema: tensorflow/compiler/mlir/lite/schema/schema.fbs. The file is taken as well-formed: a file of unknown origin goes
through `check_tflite` first.
"""

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import InputError

__all__ = ["Operator", "Subgraph", "Tensor", "TfliteFile", "read_tflite", "type_bits"]

# Name and bits of each TensorType. Types below 8 bits are packed, low bits first.
_TYPES: dict[int, tuple[str, int]] = {
    0: ("float32", 32),
    1: ("float16", 16),
    2: ("int32", 32),
    3: ("uint8", 8),
    4: ("int64", 64),
    5: ("string", 0),
    6: ("bool", 8),
    7: ("int16", 16),
    8: ("complex64", 64),
    9: ("int8", 8),
    10: ("float64", 64),
    11: ("complex128", 128),
    12: ("uint64", 64),
    13: ("resource", 0),
    14: ("variant", 0),
    15: ("uint32", 32),
    16: ("uint16", 16),
    17: ("int4", 4),
    18: ("bfloat16", 16),
    19: ("int2", 2),
    20: ("uint4", 4),
}
_BUILTIN_CODE = 10
"""Where the table of an operator code's fields tells of `builtin_code`."""
# What the generated readers raise when an offset leads astray.
_UNREADABLE = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError, struct.error)
_BITS = dict(_TYPES.values())


def type_bits(dtype: str) -> int:
    """How many bits one element of the type takes in a buffer; 0 where that is not fixed (strings, resources)."""
    return _BITS[dtype]


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a subgraph."""

    index: int
    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    """The shape with -1 for dimensions that may be resized; equals `shape` where the file says nothing."""
    dtype: str
    """NumPy name, or int4, int2, uint4, bfloat16, string, resource, variant."""
    buffer: int
    data: bytes | memoryview
    """The buffer as stored; empty for a tensor that is computed."""
    scales: NDArray[np.float32]
    """One, one per channel, or none. Shape (channels,)."""
    zero_points: NDArray[np.int64]
    """As many as scales."""
    quantized_dimension: int
    is_variable: bool
    sparse: bool
    """Stored in TFLite's sparse encoding: `data` holds the blocks that are not zero."""

    @property
    def is_constant(self) -> bool:
        """Whether the file holds its values."""
        return len(self.data) > 0

    @property
    def size(self) -> int:
        """How many elements it has when dense."""
        return int(np.prod(self.shape, dtype=np.int64))

    def values(self) -> NDArray[Any]:
        """The stored elements, 4-bit and 2-bit ones unpacked to int8, bfloat16 widened to float32.

        Shape `shape`, or (n,) for a sparse tensor, whose zeros are not stored.

        Raises:
            InputError: The tensor has no values in the file, or none that numpy can hold.
        """
        if not self.is_constant:
            raise InputError(f"tensor {self.index} ({self.name}) is computed: the file holds no values for it")
        bits = type_bits(self.dtype)
        if bits == 0:
            raise InputError(f"tensor {self.index} ({self.name}) holds {self.dtype}: numbers are allowed")
        raw = np.frombuffer(self.data, np.uint8)
        if bits < 8:
            flat = _unpack(raw, bits, signed=self.dtype.startswith("int"))[: None if self.sparse else self.size]
        elif self.dtype == "bfloat16":
            flat = (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            flat = raw.view(np.dtype(self.dtype).newbyteorder("<"))
        values: NDArray[Any] = flat if self.sparse else flat.reshape(self.shape)
        return values

    def real_values(self) -> NDArray[np.float32]:
        """`values` as the real numbers they stand for, each channel by its own scale."""
        values = self.values()
        if not len(self.scales):
            return values.astype(np.float32)
        channels = [1] * values.ndim
        if len(self.scales) > 1:
            channels[self.quantized_dimension] = len(self.scales)
        shifted = values.astype(np.float32) - self.zero_points.astype(np.float32).reshape(channels)
        return shifted * self.scales.reshape(channels)


@dataclass(frozen=True, eq=False)
class Operator:
    """One step of a subgraph."""

    name: str
    """As in the schema: FULLY_CONNECTED, ... or the custom operator's own name."""
    version: int
    is_custom: bool
    inputs: tuple[int, ...]
    """Tensor indices; -1 stands for an optional input that is absent."""
    outputs: tuple[int, ...]
    intermediates: tuple[int, ...]
    options: dict[str, Any]
    """The operator's own settings by their names in the schema; empty for a custom operator."""


@dataclass(frozen=True, eq=False)
class Subgraph:
    """A graph of operators, in the order in which they run."""

    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Signature:
    """A named way to call a subgraph: what each input and output is called from outside."""

    key: str
    subgraph: int
    inputs: dict[str, int]
    """Name to tensor index."""
    outputs: dict[str, int]


@dataclass(frozen=True, eq=False)
class TfliteFile:
    """A whole `.tflite` file."""

    version: int
    description: str
    subgraphs: tuple[Subgraph, ...]
    signatures: tuple[Signature, ...]
    metadata: dict[str, bytes]
    """Metadata buffers by name, such as TFLITE_METADATA or min_runtime_version."""

    @property
    def main(self) -> Subgraph:
        """The subgraph that runs when no signature is named."""
        return self.subgraphs[0]

    @cached_property
    def operator_versions(self) -> dict[str, int]:
        """Highest version of each operator that is used."""
        versions: dict[str, int] = {}
        for graph in self.subgraphs:
            for operator in graph.operators:
                versions[operator.name] = max(operator.version, versions.get(operator.name, 0))
        return dict(sorted(versions.items()))

    def constants(self) -> Iterator[tuple[Subgraph, Tensor]]:
        """Every tensor whose values are in the file."""
        for graph in self.subgraphs:
            for tensor in graph.tensors:
                if tensor.is_constant:
                    yield graph, tensor


def read_tflite(content: bytes) -> TfliteFile:
    """Read a `.tflite` file.

    Raises:
        InputError: Not a TFLite flatbuffer, or one that cannot be followed.
    """
    if content[4:8] != b"TFL3":
        raise InputError("not a .tflite file: its fifth to eighth bytes are not TFL3")
    import tflite

    try:
        return _read(tflite, tflite.Model.GetRootAs(content, 0), content)
    except InputError:
        raise
    except _UNREADABLE as error:
        raise InputError(f"a .tflite file that cannot be followed ({error!r}): it is damaged") from None


def _unpack(raw: NDArray[np.uint8], bits: int, *, signed: bool) -> NDArray[Any]:
    """Elements of 4 or 2 bits, the first in the lowest bits of each byte."""
    parts = raw[:, None] >> np.arange(0, 8, bits, dtype=np.uint8) & np.uint8((1 << bits) - 1)
    flat = parts.reshape(-1)
    if not signed:
        return flat
    sign = np.int8(1 << (bits - 1))
    return (flat.astype(np.int8) ^ sign) - sign


def _read(tflite: Any, model: Any, content: bytes) -> TfliteFile:
    buffers = [_buffer(model.Buffers(i), content) for i in range(model.BuffersLength())]
    codes = [_operator_code(tflite, model.OperatorCodes(i)) for i in range(model.OperatorCodesLength())]
    subgraphs = tuple(_subgraph(tflite, model.Subgraphs(i), buffers, codes) for i in range(model.SubgraphsLength()))
    metadata = {}
    for i in range(model.MetadataLength()):
        entry = model.Metadata(i)
        metadata[_text(entry.Name())] = bytes(buffers[entry.Buffer()])
    signatures = tuple(_signature(model.SignatureDefs(i)) for i in range(model.SignatureDefsLength()))
    return TfliteFile(model.Version(), _text(model.Description()), subgraphs, signatures, metadata)


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode(errors="replace")


def _integers(table: Any, field: str) -> tuple[int, ...]:
    vector = getattr(table, field + "AsNumpy")()
    # The generated reader answers 0 for a vector that is absent.
    return () if isinstance(vector, int) else tuple(vector.tolist())


def _buffer(buffer: Any, content: bytes) -> memoryview:
    # Files above 2 GB keep their data behind the flatbuffer; offsets 0 and 1 mean that this one does not.
    if buffer.Offset() > 1:
        return memoryview(content)[buffer.Offset() : buffer.Offset() + buffer.Size()]
    data = buffer.DataAsNumpy()
    return memoryview(b"") if isinstance(data, int) else memoryview(data)


def _operator_code(tflite: Any, code: Any) -> tuple[str, int, bool]:
    # Files made before TF 2.4 have only the old one-byte field; newer ones put the larger of the two to use. The
    # generated reader passes over the newer field where the old one could hold its number, and litert-quantizer leaves
    # the old one empty.
    number = max(_newer_code(code), code.DeprecatedBuiltinCode())
    if number == tflite.BuiltinOperator.CUSTOM:
        return _text(code.CustomCode()) or "CUSTOM", code.Version(), True
    names = tflite.utils.BUILTIN_OPCODE2NAME
    return names.get(number, f"BUILTIN_{number}"), code.Version(), False


def _newer_code(code: Any) -> int:
    """The field `builtin_code` as it stands in the file; 0 where it is absent."""
    from flatbuffers.number_types import Int32Flags

    offset = code._tab.Offset(_BUILTIN_CODE)
    return int(code._tab.Get(Int32Flags, offset + code._tab.Pos)) if offset else 0


def _subgraph(
    tflite: Any, graph: Any, buffers: Sequence[memoryview], codes: Sequence[tuple[str, int, bool]]
) -> Subgraph:
    return Subgraph(
        name=_text(graph.Name()),
        tensors=tuple(_tensor(i, graph.Tensors(i), buffers) for i in range(graph.TensorsLength())),
        operators=tuple(_operator(tflite, graph.Operators(i), codes) for i in range(graph.OperatorsLength())),
        inputs=_integers(graph, "Inputs"),
        outputs=_integers(graph, "Outputs"),
    )


def _tensor(index: int, tensor: Any, buffers: Sequence[memoryview]) -> Tensor:
    if tensor.Type() not in _TYPES:
        raise InputError(
            f"tensor {index} has type number {tensor.Type()}: up to {max(_TYPES)} is known; update edgepress"
        )
    shape = _integers(tensor, "Shape")
    quantization = tensor.Quantization()
    scales, zero_points, dimension = np.empty(0, np.float32), np.empty(0, np.int64), 0
    if quantization is not None and not quantization.ScaleIsNone():
        scales = quantization.ScaleAsNumpy()
        dimension = quantization.QuantizedDimension()
        zero_points = np.zeros(len(scales), np.int64)
        if not quantization.ZeroPointIsNone():
            zero_points[:] = quantization.ZeroPointAsNumpy()
    return Tensor(
        index=index,
        name=_text(tensor.Name()),
        shape=shape,
        shape_signature=_integers(tensor, "ShapeSignature") or shape,
        dtype=_TYPES[tensor.Type()][0],
        buffer=tensor.Buffer(),
        data=buffers[tensor.Buffer()],
        scales=scales,
        zero_points=zero_points,
        quantized_dimension=dimension,
        is_variable=tensor.IsVariable(),
        sparse=tensor.Sparsity() is not None,
    )


def _operator(tflite: Any, operator: Any, codes: Sequence[tuple[str, int, bool]]) -> Operator:
    name, version, is_custom = codes[operator.OpcodeIndex()]
    options: dict[str, Any] = {}
    for kind, table, number in (
        (tflite.BuiltinOptions, operator.BuiltinOptions(), operator.BuiltinOptionsType()),
        (tflite.BuiltinOptions2, operator.BuiltinOptions2(), operator.BuiltinOptions2Type()),
    ):
        if table is not None:
            options |= _options(tflite, kind, table, number)
    return Operator(
        name=name,
        version=version,
        is_custom=is_custom,
        inputs=_integers(operator, "Inputs"),
        outputs=_integers(operator, "Outputs"),
        intermediates=_integers(operator, "Intermediates"),
        options=options,
    )


def _member(kind: Any, number: int) -> str | None:
    """The name that a generated class of numbers has for one; None for NONE.

    A class holds other numbers too: since Python 3.13 `__firstlineno__`.
    """
    names = (name for name, value in vars(kind).items() if value == number and not name.startswith("_"))
    return next((name for name in names if name != "NONE"), None)


def _options(tflite: Any, kind: Any, table: Any, number: int) -> dict[str, Any]:
    """An options table as a dictionary, by walking the accessors of its generated class."""
    name = _member(kind, number)
    if name is None or not hasattr(tflite, name):
        return {}
    options = getattr(tflite, name)()
    options.Init(table.Bytes, table.Pos)
    vectors = {field.removesuffix("AsNumpy") for field in dir(options) if field.endswith("AsNumpy")}
    found: dict[str, Any] = {field: _integers(options, field) for field in vectors}
    for field in dir(options):
        plain = field[0].isupper() and not re.match(r"GetRootAs|Init$|.*(AsNumpy|Length|IsNone|HasIdentifier)$", field)
        if plain and field not in vectors:
            # Vectors of tables take an index; none of them matters outside StableHLO.
            if getattr(type(options), field).__code__.co_argcount > 1:
                continue
            value = getattr(options, field)()
            found[field] = _text(value) if isinstance(value, bytes) else value
    return found


def _signature(signature: Any) -> Signature:
    def tensors(maps: Any, count: int) -> dict[str, int]:
        return {_text(maps(i).Name()): maps(i).TensorIndex() for i in range(count)}

    return Signature(
        key=_text(signature.SignatureKey()),
        subgraph=signature.SubgraphIndex(),
        inputs=tensors(signature.Inputs, signature.InputsLength()),
        outputs=tensors(signature.Outputs, signature.OutputsLength()),
    )
