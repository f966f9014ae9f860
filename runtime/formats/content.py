"""A model file's bytes: read once, checked once, parsed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tflite_file import TfliteFile

__all__ = ["Content"]


class Content:
    """A model file in memory, whole: what it refers to in other files is in it."""

    def __init__(self, data: bytes, format: str) -> None:
        self.data = data
        self.format = format
        """tflite or onnx."""
        self._file: TfliteFile | None = None
        self._vouched: bool | None = None

    @property
    def tflite(self) -> TfliteFile:
        """What a `.tflite` file holds. Raises InputError where it cannot be followed."""
        if self._file is None:
            from .tflite_file import read_tflite

            self._file = read_tflite(self.data)
        return self._file

    @property
    def vouched(self) -> bool:
        """Whether the structural check is enough to hand the file to a native parser in this process.

        Raises:
            ArtifactRefusedError: The file is damaged, or cannot run here whatever parses it.
        """
        if self._vouched is None:
            self._vouched = _CHECKS[self.format](self)
        return self._vouched

    def _check_onnx(self) -> bool:
        from .check_onnx import check_onnx

        return check_onnx(self.data)

    def _check_tflite(self) -> bool:
        from .check_tflite import check_tflite

        self._file, vouched = check_tflite(self.data)
        return vouched


_CHECKS = {"tflite": Content._check_tflite, "onnx": Content._check_onnx}
