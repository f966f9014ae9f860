"""Do all offsets of a `.tflite` file stay inside it? The TFLite schema's tables, walked with every bound checked.

What C++ readers call a verifier (flatbuffers.dev, "Verifying"), which tflite-runtime 2.14 does not run at all.
"""

import struct
from collections.abc import Callable

from edgepress.base.errors import ArtifactRefusedError

__all__ = ["verify_tflite_bounds"]

_TABLES_LIMIT = 200_000

# The fields of each table in the order of their slots: a number is a scalar's width in bytes, "v4" a vector of 4-byte
# elements, "s" a string, "t:X" a table, "a:X" a vector of tables; "o1" and "o2" are the operator's options.
_SCHEMA: dict[str, list[int | str]] = {
    "Model": [4, "a:OperatorCode", "a:SubGraph", "s", "a:Buffer", "v4", "a:Metadata", "a:SignatureDef"],
    "OperatorCode": [1, "s", 4, 4],
    "SubGraph": ["a:Tensor", "v4", "v4", "a:Operator", "s", 4],
    "Tensor": ["v4", 1, 4, "s", "t:Quantization", 1, "t:Sparsity", "v4", 1, "a:VariantSubType"],
    "Quantization": ["v4", "v4", "v4", "v8", 1, "t:Any", 4],
    "Sparsity": ["v4", "v4", "a:Any"],
    "VariantSubType": ["v4", 1, 1],
    "Operator": [4, "v4", "v4", 1, "o1", "v1", 1, "v1", "v4", 8, 8, 1, "t:Any", 4],
    "Buffer": ["v1", 8, 8],
    "Metadata": ["s", 4],
    "SignatureDef": ["a:TensorMap", "a:TensorMap", "s", "s", 4],
    "TensorMap": ["s", 4],
    # Tables that only operators have which the structural check does not vouch for: their own bounds, no deeper.
    "Any": [],
}
# Options by their number in the union BuiltinOptions; those of other operators hold scalars or are not vouched for.
_OPTIONS: dict[int, list[int | str]] = {
    1: [1, 4, 4, 1, 4, 4, 1],  # Conv2D
    2: [1, 4, 4, 4, 1, 4, 4],  # DepthwiseConv2D
    5: [1, 4, 4, 4, 4, 1],  # Pool2D
    8: [1, 1, 1, 1, 1],  # FullyConnected
    9: [4],  # Softmax
    10: [4, 1],  # Concatenation
    11: [1, 1],  # Add
    17: ["v4"],  # Reshape
    21: [1],  # Mul
    27: [1],  # Reducer
}


def verify_tflite_bounds(content: bytes) -> None:
    """Check that every table, vector and string lies inside the file, aligned.

    Raises:
        ArtifactRefusedError: One does not.
    """
    _Walk(content).table(_u32(content, 0), "Model")


def _refuse(what: str) -> ArtifactRefusedError:
    return ArtifactRefusedError(f"the .tflite file is damaged: {what}; get it again from its source")


def _u32(content: bytes, at: int) -> int:
    if not 0 <= at <= len(content) - 4:
        raise _refuse("an offset leads outside it")
    value: int = struct.unpack_from("<I", content, at)[0]
    return value


def _u16(content: bytes, at: int) -> int:
    if not 0 <= at <= len(content) - 2:
        raise _refuse("an offset leads outside it")
    value: int = struct.unpack_from("<H", content, at)[0]
    return value


class _Walk:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._seen: set[tuple[int, str]] = set()

    def table(self, at: int, kind: str, fields: list[int | str] | None = None) -> None:
        if (at, kind) in self._seen and fields is None:
            return
        self._seen.add((at, kind))
        if len(self._seen) > _TABLES_LIMIT:
            raise _refuse(f"it has more than {_TABLES_LIMIT:,} parts")
        content = self._content
        self._aligned(at, 4)
        distance = struct.unpack("<i", _u32(content, at).to_bytes(4, "little"))[0]
        vtable = at - distance
        self._aligned(vtable, 2)
        entries, size = _u16(content, vtable), _u16(content, vtable + 2)
        if entries < 4 or entries % 2 or vtable + entries > len(content) or size < 4 or at + size > len(content):
            raise _refuse("a table leads outside it")
        offsets = struct.unpack_from(f"<{(entries - 4) // 2}H", content, vtable + 4)
        if any(offset and not 4 <= offset < size for offset in offsets):
            raise _refuse("a field leads outside its table")
        for offset, field in zip(offsets, _SCHEMA[kind] if fields is None else fields, strict=False):
            if not offset:
                continue
            if isinstance(field, int):
                if offset + field > size:
                    raise _refuse("a field leads outside its table")
                self._aligned(at + offset, field)
            elif field == "o1":
                self._options(at, offsets, at + offset)
            else:
                self._reference(at + offset, field)

    def _options(self, operator: int, offsets: tuple[int, ...], at: int) -> None:
        kind = self._content[operator + offsets[3]] if len(offsets) > 3 and offsets[3] else 0
        self.table(at + _u32(self._content, at), f"options {kind}", _OPTIONS.get(kind, []))

    def _reference(self, at: int, field: str) -> None:
        self._aligned(at, 4)
        target = at + _u32(self._content, at)
        what, _, kind = field.partition(":")
        if what == "t":
            self.table(target, kind)
        elif what == "a":
            self._each(target, lambda place: self.table(place + _u32(self._content, place), kind))
        elif what == "s":
            end = target + 4 + _u32(self._content, target)
            if end >= len(self._content) or self._content[end]:
                raise _refuse("a text has no end")
        else:
            width = int(field[1:])
            count = _u32(self._content, target)
            if target + 4 + count * width > len(self._content):
                raise _refuse("a vector leads outside it")
            self._aligned(target, 4)
            if count:
                self._aligned(target + 4, width)

    def _each(self, target: int, visit: Callable[[int], None]) -> None:
        count = _u32(self._content, target)
        if target + 4 + 4 * count > len(self._content):
            raise _refuse("a vector leads outside it")
        self._aligned(target, 4)
        for index in range(count):
            visit(target + 4 + 4 * index)

    def _aligned(self, at: int, width: int) -> None:
        if at % width:
            raise _refuse("a part of it is not aligned")
