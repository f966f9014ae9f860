"""What can be made of a model, and how far each result may stray from it.

A variant's name decodes as in TensorFlow Lite's documentation: `int8` has int8 weights and activations, `dynamic-int8`
int8 weights and activations that are quantized while the model runs, `int16x8` int16 activations and int8 weights,
`int8-float-io` is `int8` whose inputs and outputs stay float, `mixed` has int4 weights in the layers that stand it and
int8 ones in the others, within int8's bound; `int8-percentile` is int8 with ranges of activations that leave
outliers out, found by ONNX Runtime's own quantizer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edgepress.runtime import InputError

__all__ = ["DEFAULT_VARIANTS", "VARIANTS", "Variant", "parse_variants"]


@dataclass(frozen=True)
class Variant:
    """One kind of model file, with the bounds that an artifact must keep to be published.

    Both bounds compare the artifact with its own Keras model in float32, on the same held-back data.
    """

    format: str
    """`tflite` or `onnx`."""
    name: str
    max_drop_points: float
    """Accuracy that a classifier may lose, in percentage points."""
    min_sqnr_db: float
    """Signal-to-quantization-noise ratio that the outputs of any other model must reach, in decibels."""

    @property
    def key(self) -> str:
        """How people write it: `tflite:int8`."""
        return f"{self.format}:{self.name}"

    def file(self, model: str) -> str:
        """The artifact's file name."""
        return f"{model}-{self.name}.{self.format}"

    def accuracy_may_drop(self, images: int) -> int:
        """How many of `images` more may be answered wrongly; one at least, the finest step that they can show."""
        return max(1, int(self.max_drop_points / 100 * images))


VARIANTS: dict[str, Variant] = {
    variant.key: variant
    for variant in (
        Variant("tflite", "float32", max_drop_points=0.0, min_sqnr_db=80),
        Variant("tflite", "float16", max_drop_points=0.05, min_sqnr_db=50),
        Variant("tflite", "dynamic-int8", max_drop_points=0.3, min_sqnr_db=25),
        Variant("tflite", "int8", max_drop_points=0.3, min_sqnr_db=20),
        Variant("tflite", "int8-float-io", max_drop_points=0.3, min_sqnr_db=20),
        Variant("tflite", "int16x8", max_drop_points=0.1, min_sqnr_db=25),
        Variant("tflite", "mixed", max_drop_points=0.3, min_sqnr_db=20),
        Variant("tflite", "dynamic-int4", max_drop_points=1.0, min_sqnr_db=10),
        Variant("tflite", "int4", max_drop_points=1.0, min_sqnr_db=10),
        Variant("onnx", "float32", max_drop_points=0.0, min_sqnr_db=80),
        Variant("onnx", "float16", max_drop_points=0.05, min_sqnr_db=50),
        Variant("onnx", "dynamic-int8", max_drop_points=0.3, min_sqnr_db=25),
        Variant("onnx", "int8", max_drop_points=0.3, min_sqnr_db=20),
        Variant("onnx", "int8-percentile", max_drop_points=0.3, min_sqnr_db=20),
        Variant("onnx", "dynamic-int4", max_drop_points=1.0, min_sqnr_db=10),
    )
}
DEFAULT_VARIANTS = (
    "tflite:float32",
    "tflite:float16",
    "tflite:dynamic-int8",
    "tflite:int8",
    "onnx:float32",
    "onnx:int8",
)


def parse_variants(names: Sequence[str]) -> tuple[Variant, ...]:
    """Variants by name: `tflite:int8`, or `int8` for every format that has it. In the table's order, each once.

    Raises:
        InputError: A name that no format has.
    """
    chosen = set()
    for name in names:
        matching = {key for key, variant in VARIANTS.items() if name in (key, variant.name)}
        if not matching:
            raise InputError(f"variant {name!r}: allowed are {', '.join(VARIANTS)}, with or without the format")
        chosen |= matching
    return tuple(variant for key, variant in VARIANTS.items() if key in chosen)
