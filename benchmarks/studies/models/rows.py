"""The rows of the study: a model of Keras' own, and the size of the pictures that it is given."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require

__all__ = ["CLASSES", "ROWS", "TINY", "Row", "settle"]

CLASSES = 10
_TUNING = 32
"""Noise pictures that the means and variances of BatchNormalization are taken from."""
_READING = ("Rescaling", "Normalization")
"""First layers of a model that takes pixels from 0 to 255."""


def settle(model: Any, noise: NDArray[np.float32]) -> None:
    """Set the means and variances of a Keras 3 model's BatchNormalization by one pass over noise.

    Random weights leave them at 0 and 1: activations fade or grow from layer to layer.
    """
    keras = require("keras", extra="toolkit")
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    model(noise, training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


@dataclass(frozen=True)
class Row:
    """One model, with random weights."""

    name: str
    """A function of `keras.applications`."""
    pixels: int = 64
    """Height and width of a picture."""
    options: tuple[tuple[str, Any], ...] = ()

    def model(self) -> Any:
        """The model of Keras 3: logits of ten classes, and activations that live.

        Random weights leave scales of 8 bits nothing to hold; `settle` mends that.
        """
        keras = require("keras", extra="toolkit")
        keras.utils.set_random_seed(0)
        shape = (self.pixels, self.pixels, 3)
        model = getattr(keras.applications, self.name)(
            weights=None, classes=CLASSES, classifier_activation=None, input_shape=shape, **dict(self.options)
        )
        settle(model, self.noise(model, _TUNING, seed=1))
        return model

    def noise(self, model: Any, count: int, *, seed: int) -> NDArray[np.float32]:
        """Pictures of noise as the model takes them, (count, pixels, pixels, 3): 0 to 255 or -1 to 1."""
        drawn = np.random.default_rng(seed).random((count, self.pixels, self.pixels, 3), np.float32)
        reads = any(type(layer).__name__ in _READING for layer in model.layers[:3])
        return drawn * 255 if reads else drawn * 2 - 1


ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        Row("MobileNetV3Small"),
        Row("MobileNet"),
        Row("MobileNetV2"),
        Row("EfficientNetB0"),
        Row("MobileNetV3Large"),
        Row("NASNetMobile"),
        Row("EfficientNetV2B0"),
        Row("DenseNet121"),
        Row("ResNet50"),
        Row("ResNet50V2"),
        Row("Xception", 96),
        Row("InceptionV3", 96),
        Row("VGG16"),
        Row("ConvNeXtTiny"),
        Row("EfficientNetB1"),
        Row("EfficientNetB2"),
        Row("EfficientNetV2B1"),
        Row("EfficientNetV2B2"),
        Row("EfficientNetB3"),
        Row("EfficientNetV2B3"),
        Row("DenseNet169"),
        Row("DenseNet201"),
        Row("VGG19"),
        Row("EfficientNetB4"),
        Row("EfficientNetV2S"),
        Row("ResNet101"),
        Row("ResNet101V2"),
        Row("ConvNeXtSmall"),
        Row("EfficientNetB5"),
        Row("InceptionResNetV2", 96),
        Row("ResNet152"),
        Row("ResNet152V2"),
        Row("EfficientNetB6"),
        Row("EfficientNetV2M"),
        Row("EfficientNetB7"),
        Row("ConvNeXtBase"),
        Row("NASNetLarge", 96),
        Row("EfficientNetV2L"),
        Row("ConvNeXtLarge"),
        Row("ConvNeXtXLarge"),
    )
}
"""By name, the quickest first."""

TINY = {"tiny": Row("MobileNet", 32, (("alpha", 0.25),))}
"""Rows that are no part of the table: to try the study itself."""
