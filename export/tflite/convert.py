"""Keras to TFLite, by TensorFlow's converter: one function a variant."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from edgepress.base.extras import require

from ..materials import Materials
from ..quiet import quiet
from ..samples import Samples
from ..source import Source
from .finish import finish

__all__ = ["dynamic_int8", "float16", "float32", "int8", "int8_float_io", "int16x8", "to_integers"]

_Configure = Callable[[Any, Any], None]
"""Sets up TensorFlow (first) Lite's converter (second)."""


def float32(materials: Materials) -> bytes:
    """Weights and activations as trained."""
    return finish(_convert(materials.source.model), materials)


def float16(materials: Materials) -> bytes:
    """Weights of half precision."""

    def configure(tf: Any, converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]

    return finish(_convert(materials.source.model, configure), materials)


def dynamic_int8(materials: Materials) -> bytes:
    """int8 weights; activations are quantized while the model runs."""

    def configure(tf: Any, converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        # Scales per channel raise FULLY_CONNECTED to version 12, which tflite-runtime 2.14 refuses.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True

    return finish(_convert(materials.source.model, configure), materials)


def int8(materials: Materials) -> bytes:
    """int8 from end to end."""
    return finish(to_integers(materials.source, materials.calibration), materials)


def int8_float_io(materials: Materials) -> bytes:
    """int8 inside, float at both ends."""
    return finish(to_integers(materials.source, materials.calibration, ends=None), materials)


def int16x8(materials: Materials) -> bytes:
    """int16 activations, int8 weights."""
    return finish(to_integers(materials.source, materials.calibration, ends="int16", wide=True), materials)


def to_integers(source: Source, calibration: Samples, *, ends: str | None = "int8", wide: bool = False) -> bytes:
    """An integer file as the converter leaves it.

    Args:
        source: The model. Ranges of 8 bits that training found are taken.
        calibration: Samples that the ranges of activations are measured on, where the model has none of its own.
        ends: Type of inputs and outputs; None for float.
        wide: Whether activations have 16 bits.
    """
    aware = source.quantized is not None and not wide

    def configure(tf: Any, converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if not aware:
            # A model trained with quantizers brings its ranges; asking for the integer set there demands data again.
            sets = tf.lite.OpsSet
            widened = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            converter.target_spec.supported_ops = [widened if wide else sets.TFLITE_BUILTINS_INT8]
            converter.representative_dataset = lambda: _one_by_one(source, calibration)
        if ends:
            converter.inference_input_type = converter.inference_output_type = getattr(tf, ends)

    return _convert(source.quantized if aware else source.model, configure)


def _convert(model: Any, configure: _Configure | None = None) -> bytes:
    tf = require("tensorflow", extra="toolkit")
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if configure:
        configure(tf, converter)
    with quiet():
        content: bytes = converter.convert()
    return content


def _one_by_one(source: Source, calibration: Samples) -> Iterator[list[Any]]:
    for i in range(len(calibration)):
        yield [np.asarray(calibration.inputs[name][i : i + 1]) for name in source.model.input_names]
