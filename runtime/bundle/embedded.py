"""The essentials of the manifest that travel inside a model file, so that a lone file still knows its labels.

A `.tflite` file holds them as a metadata buffer, an `.onnx` file as a metadata property, both named `edgepress`. It is
JSON; in a `.tflite` file zlib's stream of it, without the labels that the file's own list has.
"""

import json
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from edgepress.base.errors import InputError

from ..contract import Contract, Picture
from ..tasks.task import Task

__all__ = ["EMBEDDED_KEY", "Embedded", "labels_text", "packed_labels"]

EMBEDDED_KEY = "edgepress"
_MOST_LISTED = 1 << 20
"""Bytes of the list of labels."""
_MOST_UNPACKED = 1 << 24
"""Bytes that a stream may hold."""


class Embedded(NamedTuple):
    """What a lone model file says about itself."""

    contract: Contract
    task: Task

    def to_json(self) -> str:
        """As the model file holds it; equal facts are equal text."""
        data = {"contract": self.contract._replace(found={}).to_dict(), "task": self.task.to_dict()}
        return json.dumps(_without_empty(data), sort_keys=True, separators=(",", ":"), allow_nan=False)

    def to_stream(self) -> bytes:
        """As a `.tflite` file holds it, beside its list of labels."""
        labels = self.task.labels
        listed = _lines(labels_text(labels)) == labels
        lean = self._replace(task=self.task._replace(labels=())) if listed else self
        return zlib.compress(lean.to_json().encode(), 9)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Embedded":
        """The inverse of `to_json` and of `to_stream`, whose labels stand elsewhere.

        Raises:
            InputError: Something else stands under our name.
        """
        try:
            data = json.loads(_unpacked(text) if isinstance(text, bytes) else text)
            if "contract" in data:
                return cls(Contract.from_dict(data["contract"]), Task.from_dict(data["task"]))
            # Files of before there were contracts.
            labels, output = tuple(map(str, data["labels"])), str(data["output"])
            if output == "raw":
                return cls(Contract({}), Task("raw", "raw", labels))
            task = Task("multiclass", output, labels, unknown_threshold=data.get("unknown_threshold"))
            return cls(Contract({"": Picture.from_dict(data["preprocessing"])}), task)
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"the model's {EMBEDDED_KEY} metadata cannot be read ({error!r})") from None


def _unpacked(content: bytes) -> bytes:
    # JSON begins with a brace, zlib's streams with the mark of deflate.
    if content[:1] != b"\x78":
        return content
    stream = zlib.decompressobj()
    text = stream.decompress(content, _MOST_UNPACKED)
    if not stream.eof:
        raise ValueError(f"more than {_MOST_UNPACKED:,} bytes, or an end too soon")
    return text


def _without_empty(data: Any) -> Any:
    """Without the lists and mappings that hold nothing: readers take them as such where they are not there."""
    if isinstance(data, dict):
        kept = {key: _without_empty(value) for key, value in data.items()}
        return {key: value for key, value in kept.items() if value not in ({}, [], ())}
    return [_without_empty(each) for each in data] if isinstance(data, list | tuple) else data


def labels_text(labels: Sequence[str]) -> str:
    """The list of labels as TFLite's metadata tools have it: a line each."""
    return "".join(f"{label}\n" for label in labels)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.splitlines()) if len(text.encode()) < _MOST_LISTED else ()


def packed_labels(content: bytes) -> tuple[str, ...] | None:
    """Class names from the text file that TFLite's metadata tools append to a `.tflite` as a zip; None without one."""
    import io
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [m for m in archive.infolist() if m.filename.endswith(".txt") and m.file_size < _MOST_LISTED]
            if not members:
                return None
            return _lines(archive.read(members[0]).decode())
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError, RuntimeError):
        return None
