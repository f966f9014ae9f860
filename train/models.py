"""The models that edgepress trains itself. All give logits: a softmax layer adds bytes and changes no label."""

import math
from collections.abc import Sequence
from typing import Any

from edgepress.base.extras import require
from edgepress.runtime import InputError

__all__ = ["MODELS", "build_mlp", "build_network", "output_kind"]

MODELS = ("mlp", "lenet-300-100", "lenet-5", "cnn")
_CNN_WIDTHS = (16, 32, 32, 64, 64)
_SMALLEST_PICTURE = 12


def build_network(
    name: str,
    shape: tuple[int, ...],
    classes: int,
    *,
    widths: Sequence[int] = (128, 64),
    dropout: float = 0.0,
    batch_norm: bool = False,
) -> Any:
    """A new tf-keras model by its name in `MODELS`.

    Args:
        name: `mlp`; `lenet-300-100`, the MLP with these widths (LeCun et al. 1998); `lenet-5`; `cnn`.
        shape: Of one image: (height, width) or (height, width, 3).
        classes: Outputs.
        widths: Units of each hidden layer of `mlp`.
        dropout: Share of the hidden units left out in training.
        batch_norm: Of the MLPs; the CNN always has it.
    """
    if name == "mlp":
        return build_mlp(math.prod(shape), classes, widths, dropout, batch_norm)
    if name == "lenet-300-100":
        return build_mlp(math.prod(shape), classes, (300, 100), dropout, batch_norm)
    if name not in MODELS:
        raise InputError(f"no model {name!r}: allowed are {', '.join(MODELS)}")
    if min(shape[:2]) < _SMALLEST_PICTURE:
        raise InputError(f"{name} takes pictures from {_SMALLEST_PICTURE} pixels on, these are {shape}: take an mlp")
    picture = shape if len(shape) == 3 else (*shape, 1)
    return (_lenet5 if name == "lenet-5" else _cnn)(picture, classes, dropout)


def build_mlp(inputs: int, classes: int, widths: Sequence[int], dropout: float = 0.0, batch_norm: bool = False) -> Any:
    """A multi-layer perceptron: Dense layers with ReLU, dropout after each, and a Dense layer of logits.

    Args:
        inputs: Numbers of one image (height x width x channels); the model takes float32 (n, inputs), pixels / 255.
        classes: Outputs.
        widths: Units of each hidden layer.
        dropout: Share of the hidden units left out in training.
        batch_norm: Normalise between each hidden layer and its ReLU.
    """
    tf_keras = require("tf_keras", extra="toolkit")
    layers = tf_keras.layers
    stack = [layers.Input((inputs,), name="pixels")]
    for number, width in enumerate(widths, 1):
        if batch_norm:
            stack.append(layers.Dense(width, use_bias=False, name=f"hidden{number}"))
            stack.append(layers.BatchNormalization(name=f"norm{number}"))
            stack.append(layers.ReLU(name=f"relu{number}"))
        else:
            stack.append(layers.Dense(width, activation="relu", name=f"hidden{number}"))
        if dropout:
            stack.append(layers.Dropout(dropout, name=f"dropout{number}"))
    stack.append(layers.Dense(classes, name="logits"))
    return tf_keras.Sequential(stack, name="mlp")


def _lenet5(shape: tuple[int, ...], classes: int, dropout: float) -> Any:
    """LeNet-5 (LeCun et al. 1998) as it is built today: ReLU and max pooling in place of tanh and averages."""
    tf_keras = require("tf_keras", extra="toolkit")
    layers = tf_keras.layers
    stack = [
        layers.Input(shape, name="pixels"),
        layers.Conv2D(6, 5, padding="same", activation="relu", name="conv1"),
        layers.MaxPooling2D(name="pool1"),
        layers.Conv2D(16, 5, activation="relu", name="conv2"),
        layers.MaxPooling2D(name="pool2"),
        layers.Flatten(name="flat"),
        layers.Dense(120, activation="relu", name="hidden1"),
        layers.Dense(84, activation="relu", name="hidden2"),
        *([layers.Dropout(dropout, name="dropout")] if dropout else []),
        layers.Dense(classes, name="logits"),
    ]
    return tf_keras.Sequential(stack, name="lenet5")


def _cnn(shape: tuple[int, ...], classes: int, dropout: float) -> Any:
    """Five 3 x 3 convolutions with batch normalisation, pooled twice, then averaged: about 70,000 weights."""
    tf_keras = require("tf_keras", extra="toolkit")
    layers = tf_keras.layers
    stack = [layers.Input(shape, name="pixels")]
    for number, width in enumerate(_CNN_WIDTHS, 1):
        stack.append(layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv{number}"))
        stack.append(layers.BatchNormalization(name=f"norm{number}"))
        stack.append(layers.ReLU(name=f"relu{number}"))
        if number in (1, 3):
            stack.append(layers.MaxPooling2D(name=f"pool{number}"))
    stack.append(layers.GlobalAveragePooling2D(name="average"))
    if dropout:
        stack.append(layers.Dropout(dropout, name="dropout"))
    stack.append(layers.Dense(classes, name="logits"))
    return tf_keras.Sequential(stack, name="cnn")


def output_kind(model: Any) -> str:
    """What a tf-keras classifier's output means: `probabilities` where it ends in a softmax, else `logits`."""
    last = model.layers[-1]
    last = getattr(last, "layer", last)
    if type(last).__name__ == "Softmax":
        return "probabilities"
    activation = getattr(last, "activation", None)
    # Quantization-aware layers wrap the activation once more.
    activation = getattr(activation, "activation", activation)
    return "probabilities" if getattr(activation, "__name__", None) == "softmax" else "logits"
