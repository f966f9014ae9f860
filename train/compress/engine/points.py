"""Where in a model int8 files round activations, by kind of layer.

TensorFlow Lite computes a layer, the batch normalization and the ReLU behind it as one operator: it rounds what comes
out of that, and nothing between (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference"; the TensorFlow Lite 8-bit quantization specification).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["Point", "points_of", "without_a_place"]

_LINEAR = frozenset({
    "Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Dense", "DepthwiseConv1D", "DepthwiseConv2D",
})  # fmt: skip
_JOINING = frozenset({"Add", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"})
_ROUNDED = _LINEAR | _JOINING | {
    "Activation", "BatchNormalization", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D",
    "LeakyReLU", "PReLU", "ReLU",
}  # fmt: skip
_MOVING = frozenset({
    "ActivityRegularization", "AlphaDropout", "AveragePooling1D", "AveragePooling2D", "Cropping1D", "Cropping2D",
    "Dropout", "Flatten", "GaussianDropout", "GaussianNoise", "GlobalMaxPooling1D", "GlobalMaxPooling2D",
    "MaxPooling1D", "MaxPooling2D", "Permute", "RepeatVector", "Reshape", "SpatialDropout1D", "SpatialDropout2D",
    "UpSampling1D", "UpSampling2D", "ZeroPadding1D", "ZeroPadding2D",
})  # fmt: skip
"""They move numbers, or choose among them: the integers keep their scale."""
_FIXED = frozenset({"softmax", "sigmoid", "tanh"})
"""Functions whose range is the same always: files round what goes in, and come with the range of what comes out."""
_FUSED = frozenset({"relu", "relu6"})
_NONE = "linear"


class Point(NamedTuple):
    """One place where activations are rounded."""

    name: str
    layer: Any
    before: bool
    """In front of the layer's own activation function; behind the whole layer otherwise."""


def without_a_place(model: Any) -> str:
    """The layer of a model, of either Keras, in which activations are rounded at places that are not known here; empty
    where there is none."""
    readers = _readers(model)
    folded = {id(readers[id(layer)][0]) for layer in _layers(model) if _goes_on(layer, readers.get(id(layer), []))}
    for layer in _layers(model):
        kind = type(layer).__name__
        known = kind in _ROUNDED | _MOVING or kind == "Softmax"
        if kind == "BatchNormalization" and id(layer) not in folded:
            # By itself it is a product and a sum.
            return f"{layer.name} ({kind} that is not alone behind a linear layer)"
        odd = _function(layer) not in _FUSED | _FIXED | {_NONE}
        if not known or odd or (kind == "ReLU" and not _plain(layer)):
            return f"{layer.name} ({kind if not odd else _function(layer)})"
    return ""


def points_of(model: Any) -> list[Point]:
    """All places of a model that `without_a_place` finds nothing in, in the order of its layers; the input is not among
    them."""
    readers = _readers(model)
    found = []
    for layer in _layers(model):
        kind, function = type(layer).__name__, _function(layer)
        if kind in _MOVING or kind == "Softmax" or (kind == "Activation" and function in _FIXED | {_NONE}):
            continue
        if function in _FIXED:
            found.append(Point(f"{layer.name}/before", layer, before=True))
        elif not _goes_on(layer, readers.get(id(layer), [])):
            found.append(Point(layer.name, layer, before=False))
    return found


def _goes_on(layer: Any, readers: list[Any]) -> bool:
    """Whether the operator that computes a layer computes what follows, too."""
    if len(readers) != 1 or readers[0] is None or _function(layer) != _NONE:
        return False
    kind, follower = type(layer).__name__, readers[0]
    clips = type(follower).__name__ == "ReLU" or _function_of(follower, "Activation") in _FUSED
    if kind in _LINEAR:
        return clips or type(follower).__name__ == "BatchNormalization"
    return clips and kind in _JOINING | {"BatchNormalization"}


def _function(layer: Any) -> str:
    """The name of a layer's activation function."""
    function = getattr(layer, "activation", None)
    return _NONE if function is None else str(getattr(function, "__name__", type(function).__name__))


def _function_of(layer: Any, kind: str) -> str:
    return _function(layer) if type(layer).__name__ == kind else ""


def _plain(layer: Any) -> bool:
    """Whether a ReLU is one that operators have in them."""
    slope = getattr(layer, "negative_slope", 0.0)
    return not slope and not getattr(layer, "threshold", 0.0) and getattr(layer, "max_value", None) in (None, 6, 6.0)


def _graph(model: Any) -> Any:
    """The functional model inside a Sequential one of Keras 3."""
    return getattr(model, "_functional", None) or model


def _layers(model: Any) -> Iterator[Any]:
    """All that a model calls, but its inputs; operations that are no layers too."""
    seen = set()
    for node in _nodes(model):
        operation = _operation(node)
        if type(operation).__name__ != "InputLayer" and id(operation) not in seen:
            seen.add(id(operation))
            yield operation


def _nodes(model: Any) -> Iterator[Any]:
    for depth in sorted(_graph(model)._nodes_by_depth, reverse=True):
        yield from _graph(model)._nodes_by_depth[depth]


def _operation(node: Any) -> Any:
    return getattr(node, "operation", None) or node.layer


def _readers(model: Any) -> dict[int, list[Any]]:
    """By a layer's identity: who takes what it gives, call by call; None for the model's end."""
    found: dict[int, list[Any]] = {}
    for node in _nodes(model):
        given = getattr(node, "input_tensors", None) if hasattr(node, "operation") else node.keras_inputs
        for tensor in given or ():
            found.setdefault(_source(tensor), []).append(_operation(node))
    for tensor in _graph(model).outputs:
        found.setdefault(_source(tensor), []).append(None)
    return found


def _source(tensor: Any) -> int:
    history = tensor._keras_history
    return id(getattr(history, "operation", None) or history.layer)
