"""From Keras to TFLite and ONNX: convert, quantize, verify, and write the bundle."""

from .bundle import ExportResult, Withheld, export
from .companions.packed import pack
from .companions.sign import new_key, sign
from .draw import require_enough
from .fidelity.layers import LayerError, compare_layers
from .inspect.describe import describe
from .inspect.description import Description
from .inspect.text import draw
from .samples import Samples
from .targets import TARGETS, Target, find_target
from .variants import DEFAULT_VARIANTS, VARIANTS, Variant

__all__ = [
    "DEFAULT_VARIANTS",
    "TARGETS",
    "VARIANTS",
    "Description",
    "ExportResult",
    "LayerError",
    "Samples",
    "Target",
    "Variant",
    "Withheld",
    "compare_layers",
    "describe",
    "draw",
    "export",
    "find_target",
    "new_key",
    "pack",
    "require_enough",
    "sign",
]
