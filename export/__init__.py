"""From Keras to TFLite and ONNX: convert, quantize, verify, and write the bundle."""

from .bundle import ExportResult, Withheld, export
from .describe import Description, describe
from .drawing import draw
from .packed import pack
from .samples import Samples, read_samples
from .targets import TARGETS, Target, find_target
from .variants import DEFAULT_VARIANTS, VARIANTS, Variant

__all__ = [
    "DEFAULT_VARIANTS",
    "TARGETS",
    "VARIANTS",
    "Description",
    "ExportResult",
    "Samples",
    "Target",
    "Variant",
    "Withheld",
    "describe",
    "draw",
    "export",
    "find_target",
    "pack",
    "read_samples",
]
