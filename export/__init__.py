"""From Keras to TFLite and ONNX: convert, quantize, verify, and write the bundle."""

from .bundle import ExportResult, Withheld, export
from .describe import Description, describe
from .drawing import draw
from .variants import DEFAULT_VARIANTS, VARIANTS, Variant

__all__ = [
    "DEFAULT_VARIANTS",
    "VARIANTS",
    "Description",
    "ExportResult",
    "Variant",
    "Withheld",
    "describe",
    "draw",
    "export",
]
