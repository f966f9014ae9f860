"""From one Keras model to the files of its variants."""

import tempfile
from pathlib import Path

from edgepress.base.files import write_file
from edgepress.runtime import EdgepressError
from edgepress.runtime.bundle.embedded import Embedded

from .errors import ConversionError
from .onnx.convert import onnx_metadata, to_onnx
from .onnx.quantize import from_float32
from .samples import Samples
from .source import Source
from .tflite.convert import to_tflite
from .tflite.finish import finish_tflite
from .tflite.int4 import to_int4
from .tflite.mixed import LayerChoice, to_mixed
from .variants import VARIANTS, Variant

__all__ = ["Converter"]


class Converter:
    """Makes one model's files; what two variants share is made once."""

    def __init__(self, source: Source, calibration: Samples, held_back: Samples, embedded: Embedded) -> None:
        self._source = source
        self._calibration = calibration
        self._held_back = held_back
        self._embedded = embedded
        self._tflite: dict[str, bytes] = {}
        self.mixed: list[LayerChoice] = []
        """What mixed precision measured and chose, once that variant was written."""

    def write(self, variant: Variant, folder: Path) -> Path:
        """Convert to one variant.

        Raises:
            ConversionError: The converter refuses, in its own words.
        """
        try:
            content = self._onnx(variant.name) if variant.format == "onnx" else self._lite(variant.name)
        except EdgepressError:
            raise
        except Exception as error:  # Converters raise whatever their libraries do.
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ConversionError(f"{variant.format} conversion: {reason.strip()}") from error
        path = folder / variant.file(self._source.name)
        write_file(path, content)
        return path

    def _lite(self, name: str) -> bytes:
        if name not in self._tflite:
            if name == "mixed":
                variant = VARIANTS["tflite:mixed"]
                content, self.mixed = to_mixed(self._lite("float32"), variant, self._calibration, self._held_back)
            elif name.endswith("int4"):
                content = to_int4(self._lite("float32"), name, self._calibration)
            else:
                content = to_tflite(self._source, name, self._calibration)
            keras = self._source.model
            self._tflite[name] = finish_tflite(
                content,
                self._source.name,
                keras_name=keras.name,
                output_names=keras.output_names,
                embedded=self._embedded,
            )
        return self._tflite[name]

    def _onnx(self, name: str) -> bytes:
        metadata = onnx_metadata(self._embedded)
        if name not in ("float32", "int8"):
            return from_float32(self._onnx("float32"), name, self._calibration, metadata)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.tflite")
            path.write_bytes(self._lite(name))
            return to_onnx(path, metadata)
