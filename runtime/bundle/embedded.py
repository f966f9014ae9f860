"""The essentials of the manifest that travel inside a model file, so that a lone file still knows its labels.

A `.tflite` file holds them as a metadata buffer, an `.onnx` file as a metadata property, both named `edgepress` and
both the same JSON.
"""

import json
from typing import NamedTuple

from edgepress.base.errors import InputError

from ..contract import Contract, Picture
from ..tasks.task import Task

__all__ = ["EMBEDDED_KEY", "Embedded", "packed_labels"]

EMBEDDED_KEY = "edgepress"


class Embedded(NamedTuple):
    """What a lone model file says about itself."""

    contract: Contract
    task: Task

    def to_json(self) -> str:
        """As the model file holds it; equal facts are equal text."""
        data = {"contract": self.contract._replace(found={}).to_dict(), "task": self.task.to_dict()}
        return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Embedded":
        """The inverse of `to_json`.

        Raises:
            InputError: Something else stands under our name.
        """
        try:
            data = json.loads(text)
            if "contract" in data:
                return cls(Contract.from_dict(data["contract"]), Task.from_dict(data["task"]))
            # Files of before there were contracts.
            labels, output = tuple(map(str, data["labels"])), str(data["output"])
            if output == "raw":
                return cls(Contract({}), Task("raw", "raw", labels))
            task = Task("multiclass", output, labels, unknown_threshold=data.get("unknown_threshold"))
            return cls(Contract({"": Picture.from_dict(data["preprocessing"])}), task)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"the model's {EMBEDDED_KEY} metadata cannot be read ({error!r})") from None


def packed_labels(content: bytes) -> tuple[str, ...] | None:
    """Class names from the text file that TFLite's metadata tools append to a `.tflite` as a zip; None without one."""
    import io
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [m for m in archive.infolist() if m.filename.endswith(".txt") and m.file_size < 1 << 20]
            if not members:
                return None
            return tuple(archive.read(members[0]).decode().splitlines())
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError, RuntimeError):
        return None
