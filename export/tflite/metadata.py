"""TensorFlow Lite's model metadata: what Android's tools read from a `.tflite` file.

Schema: tflite-support's metadata_schema.fbs, version 1.1.0, file identifier M001. Its Python package is no longer built
for current Pythons, and what is needed is a few tables, so they are written here field by field.
"""

import io
import zipfile
from collections.abc import Sequence

from edgepress.base.extras import require
from edgepress.runtime import Picture
from edgepress.runtime.bundle.embedded import labels_text

__all__ = ["LABELS_FILE", "append_labels", "model_metadata"]

LABELS_FILE = "labels.txt"
_IDENTIFIER = b"M001"
_PARSER_VERSION = "1.0.0"
# Enumerations and union members of the schema.
_TENSOR_AXIS_LABELS = 2
_FEATURE, _IMAGE = 1, 2
_NORMALIZATION = 1
_RGB, _GRAYSCALE = 1, 2


class _Tables:
    """Writes tables of optional fields: `table({field: (kind, value)})`."""

    def __init__(self) -> None:
        self.builder = require("flatbuffers", extra="toolkit").Builder(1024)

    def table(self, fields: int, *, offsets: dict[int, int], integers: dict[int, tuple[str, int]] | None = None) -> int:
        builder = self.builder
        builder.StartObject(fields)
        for slot, offset in offsets.items():
            if offset:
                builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
        for slot, (width, value) in (integers or {}).items():
            getattr(builder, f"Prepend{width}Slot")(slot, value, 0)
        end: int = builder.EndObject()
        return end

    def text(self, value: str) -> int:
        offset: int = self.builder.CreateString(value)
        return offset

    def vector(self, offsets: Sequence[int]) -> int:
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        end: int = self.builder.EndVector()
        return end

    def floats(self, values: Sequence[float]) -> int:
        self.builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self.builder.PrependFloat32(value)
        end: int = self.builder.EndVector()
        return end


def model_metadata(
    name: str,
    inputs: Sequence[tuple[str, int]],
    outputs: Sequence[str],
    preprocessing: Picture | None,
    labels: Sequence[str],
) -> bytes:
    """The metadata flatbuffer.

    Args:
        name: What the model is called.
        inputs: Name and rank of each input, in the graph's order; rank 4 with `preprocessing` is an image.
        outputs: Name of each output, in the graph's order.
        preprocessing: Of the one input that takes pictures; None where there is none.
        labels: Class names of the one output; empty where it is no classifier.
    """
    to = _Tables()
    input_tables = [_input(to, tensor, rank, preprocessing) for tensor, rank in inputs]
    output_tables = [_output(to, tensor, bool(labels)) for tensor in outputs]
    subgraph = to.table(10, offsets={2: to.vector(input_tables), 3: to.vector(output_tables)})
    fields = {
        0: to.text(name),
        3: to.vector([subgraph]),
        7: to.text(_PARSER_VERSION),
    }
    to.builder.Finish(to.table(8, offsets=fields), file_identifier=_IDENTIFIER)
    return bytes(to.builder.Output())


def _input(to: _Tables, name: str, rank: int, preprocessing: Picture | None) -> int:
    fields = {0: to.text(name)}
    if preprocessing is not None:
        fields[3] = _image(to, preprocessing) if rank == 4 else _feature(to)
        fields[4] = to.vector([_normalization(to, preprocessing)])
        low, high = preprocessing.ends
        fields[5] = to.table(2, offsets={0: to.floats([high]), 1: to.floats([low])})
    return to.table(7, offsets=fields)


def _output(to: _Tables, name: str, has_labels: bool) -> int:
    fields = {0: to.text(name), 3: _feature(to)}
    if has_labels:
        file = to.table(5, offsets={0: to.text(LABELS_FILE)}, integers={2: ("Int8", _TENSOR_AXIS_LABELS)})
        fields[6] = to.vector([file])
    return to.table(7, offsets=fields)


def _feature(to: _Tables) -> int:
    properties = to.table(0, offsets={})
    return to.table(3, offsets={1: properties}, integers={0: ("Uint8", _FEATURE)})


def _image(to: _Tables, preprocessing: Picture) -> int:
    size = to.table(2, offsets={}, integers={0: ("Uint32", preprocessing.width), 1: ("Uint32", preprocessing.height)})
    color = _GRAYSCALE if preprocessing.channels == 1 else _RGB
    properties = to.table(2, offsets={1: size}, integers={0: ("Int8", color)})
    return to.table(3, offsets={1: properties}, integers={0: ("Uint8", _IMAGE)})


def _normalization(to: _Tables, preprocessing: Picture) -> int:
    """(x - mean) / std over pixels 0 to 255, channel by channel: the contract's own form."""
    options = to.table(2, offsets={0: to.floats(preprocessing.mean), 1: to.floats(preprocessing.std)})
    return to.table(2, offsets={1: options}, integers={0: ("Uint8", _NORMALIZATION)})


def append_labels(content: bytes, labels: Sequence[str]) -> bytes:
    """The file with its labels as the associated file: a ZIP archive behind the flatbuffer."""
    if not labels:
        return content
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        # A fixed date: equal labels are equal bytes.
        entry = zipfile.ZipInfo(LABELS_FILE, (1980, 1, 1, 0, 0, 0))
        archive.writestr(entry, labels_text(labels))
    return buffer.getvalue()
