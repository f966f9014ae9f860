"""The models that edgepress trains itself. All give logits: a softmax layer adds bytes and changes no label."""

from collections.abc import Sequence
from typing import Any

from edgepress.runtime.extras import require

__all__ = ["build_mlp", "output_kind"]


def build_mlp(inputs: int, classes: int, widths: Sequence[int], dropout: float = 0.0) -> Any:
    """A multi-layer perceptron: Dense layers with ReLU, dropout after each, and a Dense layer of logits.

    Args:
        inputs: Numbers of one image (height x width x channels); the model takes float32 (n, inputs), pixels / 255.
        classes: Outputs.
        widths: Units of each hidden layer.
        dropout: Share of the hidden units left out in training.
    """
    layers = require("tf_keras", extra="toolkit").layers
    stack = [layers.Input((inputs,), name="pixels")]
    for number, width in enumerate(widths, 1):
        stack.append(layers.Dense(width, activation="relu", name=f"hidden{number}"))
        if dropout:
            stack.append(layers.Dropout(dropout, name=f"dropout{number}"))
    stack.append(layers.Dense(classes, name="logits"))
    return require("tf_keras", extra="toolkit").Sequential(stack, name="mlp")


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
