"""What a model file of other people says about itself: labels, and how pictures become its input.

Read are TensorFlow Lite's model metadata (tflite-support's metadata_schema.fbs, 1.1.0), ONNX' own properties for images
(onnx/docs/MetadataProps.md), Ultralytics' properties, and the plain ones in which other exporters leave labels and
normalization.
"""

from __future__ import annotations

import ast
import json
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..bundle.embedded import packed_labels
from .external_data import fields_of

if TYPE_CHECKING:
    from .content import Content

__all__ = ["SelfDescription", "describe_itself", "onnx_properties"]

_TFLITE_METADATA = "TFLITE_METADATA"
_LONGEST = 1 << 20
_ONNX_PROPERTIES = 14
"""Field of ModelProto, from onnx.proto."""


class SelfDescription(NamedTuple):
    """What the file says; what it does not say is empty."""

    labels: tuple[str, ...] = ()
    """In the order of the outputs."""
    mean: tuple[float, ...] = ()
    """Of pixels 0 to 255: real = (pixel - mean) / std, as `contract.Picture` has it; one number stands for all."""
    std: tuple[float, ...] = ()
    order: str = ""
    """Channels in the model's order: `grey`, `rgb` or `bgr`."""
    size: tuple[int, int] | None = None
    """Height and width of its pictures."""
    task: str = ""
    """`classes` where it says that it classifies, `raw` where it says something else."""
    source: str = ""
    """Where it says so, in words."""


def describe_itself(content: Content) -> SelfDescription:
    """What an `.onnx` or `.tflite` file says; empty where it says nothing that is understood."""
    return _TOLD[content.format](content)


def _by_onnx(content: Content) -> SelfDescription:
    return _of_properties(onnx_properties(content.data))


def _by_tflite(content: Content) -> SelfDescription:
    labels = packed_labels(content.data)
    buffer = content.tflite.metadata.get(_TFLITE_METADATA)
    found = SelfDescription() if buffer is None else _of_tflite(buffer)
    if labels or found != SelfDescription():
        found = found._replace(labels=labels or (), source="the TensorFlow Lite metadata")
    return found


_TOLD = {"tflite": _by_tflite, "onnx": _by_onnx}


def onnx_properties(content: bytes) -> dict[str, str]:
    """The metadata properties of an `.onnx` file, read without any package; those of a damaged one as far as it goes.

    Args:
        content: The file.
    """
    found: dict[str, str] = {}
    try:
        for number, _, data, end in fields_of(content):
            if number == _ONNX_PROPERTIES:
                pair = {field: content[begin:close] for field, _, begin, close in fields_of(content, data, end)}
                found[pair.get(1, b"").decode()] = pair.get(2, b"").decode()
    except (IndexError, UnicodeDecodeError):
        pass
    return found


_LABELS = ("names", "labels", "classes", "class_names", "class_labels", "id2label")
_MEANS = (("mean", "std"), ("image_mean", "image_std"))
_PIXEL_FORMATS = {"Gray8": "grey", "Rgb8": "rgb", "Bgr8": "bgr"}
_PIXEL_RANGES: dict[str, tuple[float, float]] = {
    "NominalRange_0_255": (0.0, 1.0),
    "Normalized_0_1": (0.0, 255.0),
    "Normalized_1_1": (127.5, 127.5),
}
"""Mean and std, as `SelfDescription` has them."""
_TASKS = {"classify": "classes", "image-classification": "classes"}
_ULTRALYTICS = "Ultralytics"


def _of_properties(properties: Mapping[str, str]) -> SelfDescription:
    found = SelfDescription(
        labels=next(filter(None, (_names(properties[key]) for key in _LABELS if key in properties)), ()),
        order=_PIXEL_FORMATS.get(properties.get("Image.BitmapPixelFormat", ""), ""),
        task=_TASKS.get(properties["task"], "raw") if properties.get("task") else "",
        size=_size(properties.get("imgsz", "")),
        source="the ONNX properties",
    )
    scale = _PIXEL_RANGES.get(properties.get("Image.NominalPixelRange", ""))
    if scale is not None:
        found = found._replace(mean=scale[:1], std=scale[1:])
    for mean, std in _MEANS:
        numbers = _numbers(properties.get(mean, "")), _numbers(properties.get(std, ""))
        if all(numbers) and min(numbers[1]) > 0:
            # torchvision's are shares of 255.
            unit = 255.0 if max(map(abs, (*numbers[0], *numbers[1]))) <= 1 else 1.0
            found = found._replace(mean=tuple(x * unit for x in numbers[0]), std=tuple(x * unit for x in numbers[1]))
            break
    if properties.get("author") == _ULTRALYTICS and not found.mean:
        # Its predictor hands over RGB pixels / 255, whatever the task.
        found = found._replace(mean=(0.0,), std=(255.0,), order="rgb")
    return found if found != SelfDescription(source=found.source) else SelfDescription()


def _literal(text: str) -> Any:
    """A list or mapping, written as Python or JSON writes it; None for anything else."""
    if len(text) > _LONGEST:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            continue
    return None


def _names(text: str) -> tuple[str, ...]:
    found = _literal(text)
    if isinstance(found, dict):
        places = {str(key): str(value) for key, value in found.items()}
        names = [places.get(str(place)) for place in range(len(places))]
        return () if None in names else tuple(map(str, names))
    if isinstance(found, list | tuple):
        return tuple(map(str, found))
    if found is not None or len(text) > _LONGEST:
        return ()
    parts = [part.strip() for part in (text.splitlines() if "\n" in text else text.split(","))]
    return tuple(parts) if len(parts) > 1 and all(parts) else ()


def _numbers(text: str) -> tuple[float, ...]:
    found = _literal(text if text.startswith(("[", "(")) else f"[{text}]")
    try:
        return tuple(float(x) for x in found) if isinstance(found, list | tuple) and len(found) in (1, 3) else ()
    except (TypeError, ValueError):
        return ()


def _size(text: str) -> tuple[int, int] | None:
    found = _literal(text)
    found = [found, found] if isinstance(found, int) else found
    if isinstance(found, list | tuple) and len(found) == 2 and all(isinstance(x, int) and x > 0 for x in found):
        return found[0], found[1]
    return None


# Slots of metadata_schema.fbs.
_SUBGRAPHS, _INPUTS, _CONTENT, _UNITS = 3, 2, 3, 4
_KIND, _OPTIONS = 0, 1
_IMAGE, _NORMALIZATION = 2, 1
_COLOURS = {1: "rgb", 2: "grey"}


class _Table:
    """A flatbuffer's table; struct.error where it leads outside the buffer."""

    def __init__(self, content: bytes, at: int) -> None:
        self._content, self._at = content, at

    @classmethod
    def root(cls, content: bytes) -> _Table:
        return cls(content, struct.unpack_from("<I", content)[0])

    def _field(self, slot: int) -> int:
        vtable = self._at - struct.unpack_from("<i", self._content, self._at)[0]
        if 4 + 2 * slot >= struct.unpack_from("<H", self._content, vtable)[0]:
            return 0
        offset: int = struct.unpack_from("<H", self._content, vtable + 4 + 2 * slot)[0]
        return self._at + offset if offset else 0

    def _target(self, slot: int) -> int:
        field = self._field(slot)
        return field + int(struct.unpack_from("<I", self._content, field)[0]) if field else 0

    def byte(self, slot: int) -> int:
        field = self._field(slot)
        return self._content[field] if field else 0

    def table(self, slot: int) -> _Table | None:
        target = self._target(slot)
        return _Table(self._content, target) if target else None

    def tables(self, slot: int) -> list[_Table]:
        target = self._target(slot)
        if not target:
            return []
        places = [target + 4 + 4 * i for i in range(min(struct.unpack_from("<I", self._content, target)[0], 64))]
        return [_Table(self._content, at + struct.unpack_from("<I", self._content, at)[0]) for at in places]

    def floats(self, slot: int) -> tuple[float, ...]:
        target = self._target(slot)
        count = struct.unpack_from("<I", self._content, target)[0] if target else 0
        return struct.unpack_from(f"<{count}f", self._content, target + 4) if 0 < count <= 64 else ()


def _of_tflite(buffer: bytes) -> SelfDescription:
    found = SelfDescription()
    try:
        subgraphs = _Table.root(buffer).tables(_SUBGRAPHS)
        inputs = subgraphs[0].tables(_INPUTS) if subgraphs else []
        if len(inputs) != 1:
            return found
        for unit in inputs[0].tables(_UNITS):
            options = unit.table(_OPTIONS) if unit.byte(_KIND) == _NORMALIZATION else None
            if options is not None:
                mean, std = options.floats(0), options.floats(1)
                if len(mean) in (1, 3) and len(std) in (1, 3) and min(std) > 0:
                    found = found._replace(mean=mean, std=std)
        content = inputs[0].table(_CONTENT)
        image = content.table(_OPTIONS) if content is not None and content.byte(_KIND) == _IMAGE else None
        if image is not None:
            found = found._replace(order=_COLOURS.get(image.byte(0), ""))
    except (struct.error, IndexError):
        return SelfDescription()
    return found
