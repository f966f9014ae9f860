"""Keras to TFLite, by TensorFlow's converter."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgepress.base.extras import require

from ..quiet import quiet
from ..samples import Samples
from ..source import Source

__all__ = ["to_tflite"]


def to_tflite(source: Source, variant: str, calibration: Samples) -> bytes:
    """Convert one model.

    Args:
        source: The model.
        variant: Name of a TFLite variant, such as `int8`.
        calibration: Samples that the ranges of activations are measured on, where the model has none of its own.
    """
    tf = require("tensorflow", extra="toolkit")
    aware = source.quantized is not None and variant in ("int8", "int8-float-io")
    converter = tf.lite.TFLiteConverter.from_keras_model(source.quantized if aware else source.model)
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif variant == "dynamic-int8":
        # Scales per channel raise FULLY_CONNECTED to version 12, which tflite-runtime 2.14 refuses.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    elif variant in ("int8", "int8-float-io", "int16x8") and not aware:
        # A model trained with quantizers brings its ranges; asking for the integer set there demands data again.
        sets = tf.lite.OpsSet
        wide = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [wide if variant == "int16x8" else sets.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: _one_by_one(source, calibration)
    if variant == "int8":
        converter.inference_input_type = converter.inference_output_type = tf.int8
    elif variant == "int16x8":
        converter.inference_input_type = converter.inference_output_type = tf.int16
    with quiet():
        content: bytes = converter.convert()
    return content


def _one_by_one(source: Source, calibration: Samples) -> Iterator[list[Any]]:
    for i in range(len(calibration)):
        yield [np.asarray(calibration.inputs[name][i : i + 1]) for name in source.model.input_names]
