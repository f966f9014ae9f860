"""What a benchmark has to know of single backends and variants, in one table each; a name is looked up, never compared.

A row here is for what no other table says: `runtime.backends.BACKENDS` knows a backend's format and package, and
`export.VARIANTS`, which a device does not have, how a variant is made.
"""

from typing import NamedTuple

from edgepress.runtime.backends import BACKENDS

__all__ = [
    "BASELINE_MODEL",
    "BASELINE_VARIANT",
    "CONVERSIONS",
    "FLOAT_VARIANTS",
    "INTEGER_VARIANTS",
    "KERAS",
    "LAYER_BACKENDS",
    "MODULES",
    "SLOW_BACKENDS",
    "SLOW_VARIANTS",
    "package_of",
]

BASELINE_VARIANT = "float32"
"""The artifact that stands in for the float model."""
BASELINE_MODEL = "float"
"""What the float model is called where there are several."""
FLOAT_VARIANTS = frozenset({"float32", "float16"})
"""Those that compute with floats, so that nothing is to be explained where they are no faster."""

INTEGER_VARIANTS = frozenset({"int8", "int8-float-io", "int8-percentile", "int16x8", "int4"})
"""Those whose activations are integers, so that conversions inside their graphs are lost time."""
CONVERSIONS = {"tflite": frozenset({"DEQUANTIZE", "QUANTIZE", "CAST"})}
"""Operators between integers and floats, by format."""


class Keras(NamedTuple):
    """How the float Keras model is named in a report."""

    format: str = "keras"
    backend: str = "tensorflow"
    package: str = "tensorflow"


KERAS = Keras()

LAYER_BACKENDS = frozenset(name for name, backend in BACKENDS.items() if backend.shows_layers)
"""Those that show a layer's output."""

MODULES = {name: f"{name}.interpreter" for name in ("ai_edge_litert", "tflite_runtime")}
"""What the runtime imports of a backend, by its module, where that is not the module itself."""

SLOW_BACKENDS = {
    name: (
        f"The {name} backend is a reference: it computes integers exactly, not quickly.",
        "Install litert, tflite-runtime or onnxruntime.",
    )
    for name, backend in BACKENDS.items()
    if not backend.native
}
"""Backends without fast integer kernels: what to say, and what to choose."""
SLOW_VARIANTS = {
    "int16x8": (
        "int16 activations have only reference kernels in TFLite.",
        "Take int8, or dynamic-int8 where activations need the precision.",
    )
}
"""Likewise, by variant."""


def package_of(backend: str) -> str:
    """The distribution that a row's backend comes in."""
    return KERAS.package if backend == KERAS.backend else BACKENDS[backend].package
