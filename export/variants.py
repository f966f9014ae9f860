"""What can be made of a model, how it is made, and how far each result may stray from it.

A variant's name decodes as in TensorFlow Lite's documentation: `int8` has int8 weights and activations, `dynamic-int8`
int8 weights and activations that are quantized while the model runs, `int16x8` int16 activations and int8 weights,
`int8-float-io` is `int8` whose inputs and outputs stay float, `mixed` has int4 weights in the layers that stand it and
int8 ones in the others, within int8's bound; `int8-percentile` is int8 with ranges of activations that leave
outliers out, found by ONNX Runtime's own quantizer.

A variant is one row of `VARIANTS` and one maker function. Nothing else asks for its name.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgepress.runtime import InputError

from .tflite.settings import FULL_INT8, Settings

if TYPE_CHECKING:
    from .materials import Materials

__all__ = ["DEFAULT_VARIANTS", "VARIANTS", "Tolerance", "Variant", "parse_variants", "with_bounds"]


@dataclass(frozen=True)
class Tolerance:
    """The least that a backend's answers may differ from the reference's (delegates off) on another machine.

    What export measures here can only widen it.
    """

    quanta: float = 0.0
    """Of integer outputs without a delegate."""
    delegate_quanta: float = 16.0
    """Of integer outputs with a delegate: XNNPACK rescales in float32, which moved MNIST logits by up to 14 of 256."""
    share: float = 1e-5
    """Of the largest output, where outputs are float: sums are taken in another order."""
    delegate_share: float = 1e-5
    """The same with a delegate."""

    def of(self, *, integer: bool, delegate: bool, largest: float) -> float:
        """In the unit of the manifest's tolerances: quanta of integer outputs, absolute for float ones.

        Args:
            integer: Whether the output is one of integers.
            delegate: Whether the backend runs with its default delegate.
            largest: The largest magnitude of the expected output.
        """
        if integer:
            return self.delegate_quanta if delegate else self.quanta
        return (self.delegate_share if delegate else self.share) * max(1.0, largest)


_ROUNDING: dict[str, object] = {"tolerance": Tolerance(share=0.01, delegate_share=0.01), "rounds_rows": True}
"""Each row is rounded while the model runs, and a sum that differs in its last bit may round the other way."""


@dataclass(frozen=True)
class Variant:
    """One kind of model file: its maker, and the bounds that an artifact must keep to be published.

    All bounds compare the artifact with its own Keras model in float32, on the same held-back data.
    """

    format: str
    """`tflite` or `onnx`."""
    name: str
    make: str
    """`module:function` below `edgepress.export`; it takes `Materials` and gives the file's bytes."""
    max_difference_points: float
    """How far a classifier's accuracy may be from its model's, up or down, in percentage points."""
    min_sqnr_db: float
    """Signal-to-quantization-noise ratio that the outputs of any other model must reach, in decibels."""
    max_changed_percent: float = 0.0
    """Answers of a classifier that may differ from its model's although that was decided, in percent of all. A network
    of 8 bits turns over some that balance out; one that turns over a fifth is another network, however right it is."""
    max_error_percent: float = 2.0
    """How far a regression's mean absolute error may be from its model's, up or down, in percent of the error that one
    makes who always answers the mean."""
    settings: Settings | None = None
    """Of TensorFlow's converter, which makes the file straight from the model; None where another maker does."""
    base: str | None = None
    """Key of the variant whose finished file it is made from; None where the Keras model is."""
    tolerance: Tolerance = Tolerance()
    ranges_by_maker: bool = False
    """Whether activations have 8 bits in ranges that its maker measures, and not TensorFlow's converter."""
    rounds_rows: bool = False
    """Whether activations are quantized while it runs, row by row, by scales that are not stored."""
    own_bound: float | None = None
    """What the user set in place of the bounds."""
    scale_per_batch: bool = False
    """Whether all rows of a batch share a scale that is found while it runs: beside others, a row's answer differs."""

    @property
    def key(self) -> str:
        """How people write it: `tflite:int8`."""
        return f"{self.format}:{self.name}"

    @property
    def learned_ranges(self) -> bool:
        """Whether it takes the ranges of activations that training learned, where there are any."""
        made = self if self.base is None else VARIANTS[self.base]
        return made.settings is not None and made.settings.takes_ranges

    @property
    def measures_ranges(self) -> bool:
        """Whether inputs and activations have 8 bits in ranges that are measured on our samples."""
        return self.ranges_by_maker or self.learned_ranges

    @property
    def maker(self) -> "Callable[[Materials], bytes]":
        """The function, imported now: the table itself costs nothing."""
        module, _, function = self.make.partition(":")
        maker: Callable[[Materials], bytes] = getattr(importlib.import_module(f"{__package__}.{module}"), function)
        return maker

    def file(self, model: str) -> str:
        """The artifact's file name."""
        return f"{model}-{self.name}.{self.format}"

    def with_bound(self, bound: float) -> "Variant":
        """With a bound of the user's in place of its own: points, percent or, for raw outputs, decibels."""
        return replace(
            self,
            max_difference_points=bound,
            max_error_percent=bound,
            min_sqnr_db=min(bound, self.min_sqnr_db),
            own_bound=bound,
        )

    def answers_may_differ(self, count: int) -> int:
        """How many answers of `count` the bound comes to; one at least, the finest step that they can show."""
        return max(1, int(max(self.max_difference_points, self.max_changed_percent) / 100 * count))


def _tflite(name: str, make: str, points: float, decibels: float, **attributes: object) -> Variant:
    return Variant("tflite", name, make, points, decibels, **attributes)  # type: ignore[arg-type]


def _converted(name: str, settings: Settings, points: float, decibels: float, **attributes: object) -> Variant:
    """Straight from the model, by TensorFlow's converter."""
    return _tflite(name, "tflite.finish:converted", points, decibels, settings=settings, **attributes)


def _onnx(name: str, make: str, points: float, decibels: float, **attributes: object) -> Variant:
    return Variant("onnx", name, make, points, decibels, **attributes)  # type: ignore[arg-type]


VARIANTS: dict[str, Variant] = {
    variant.key: variant
    for variant in (
        _converted("float32", Settings(), 0.0, 80, max_error_percent=0.01),
        # The file allows half precision throughout, which XNNPACK takes on processors that compute in it.
        _converted("float16", Settings("float16"), 0.05, 50, tolerance=Tolerance(delegate_share=0.01)),
        _converted("dynamic-int8", Settings("int8"), 0.3, 25, max_changed_percent=2, **_ROUNDING),
        _converted("int8", FULL_INT8, 0.3, 20, max_changed_percent=5),
        # Integers inside, as in int8: the same 16 quanta of 256, here in real numbers.
        _converted(
            "int8-float-io", Settings("int8", "int8"), 0.3, 20,
            tolerance=Tolerance(delegate_share=16 / 256), max_changed_percent=5,
        ),
        # Kernels with 16-bit activations round otherwise since tflite-runtime 2.14: by 2 of 65,536 quanta on MNIST.
        _converted(
            "int16x8", Settings("int8", "int16", "int16"), 0.1, 25, max_changed_percent=1,
            tolerance=Tolerance(4.0, 16.0 * 256),
        ),
        _tflite(
            "mixed", "tflite.mixed:mixed", 0.3, 20, base="tflite:float32", max_changed_percent=5, ranges_by_maker=True
        ),
        _tflite(
            "dynamic-int4", "tflite.int4:dynamic_int4", 1.0, 10, base="tflite:float32", max_changed_percent=10,
            **_ROUNDING,
        ),
        _tflite(
            "int4", "tflite.int4:int4", 1.0, 10, base="tflite:float32", max_changed_percent=10, ranges_by_maker=True
        ),
        _onnx("float32", "onnx.convert:from_tflite", 0.0, 80, base="tflite:float32", max_error_percent=0.01),
        _onnx("float16", "onnx.quantize:float16", 0.05, 50, base="onnx:float32"),
        _onnx(
            "dynamic-int8", "onnx.quantize:dynamic_int8", 0.3, 25, base="onnx:float32", max_changed_percent=2,
            **_ROUNDING, scale_per_batch=True,
        ),
        _onnx("int8", "onnx.convert:from_tflite", 0.3, 20, base="tflite:int8", max_changed_percent=5),
        _onnx("int8-percentile", "onnx.quantize:int8_percentile", 0.3, 20, base="onnx:float32", max_changed_percent=5),
        _onnx(
            "dynamic-int4", "onnx.quantize:dynamic_int4", 1.0, 10, base="onnx:float32", max_changed_percent=10,
            **_ROUNDING, scale_per_batch=True,
        ),
    )
}  # fmt: skip
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


def with_bounds(variants: Sequence[Variant], bounds: Mapping[str, float]) -> tuple[Variant, ...]:
    """The variants with the user's bounds in place of their own: `int8` for every format, or `tflite:int8`.

    Raises:
        InputError: A variant that is not among them, or a bound that is none.
    """
    for name, bound in bounds.items():
        if not 0 <= bound < float("inf"):
            raise InputError(f"bound {name}={bound}: a number of 0 or more is allowed")
        if not any(name in (variant.key, variant.name) for variant in variants):
            raise InputError(f"bound {name}: not among the variants {', '.join(variant.key for variant in variants)}")
    found = []
    for variant in variants:
        own = bounds.get(variant.key, bounds.get(variant.name))
        found.append(variant if own is None else variant.with_bound(own))
    return tuple(found)
