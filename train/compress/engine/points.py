"""Where in a model int8 files round activations, by kind of layer.

TensorFlow Lite computes a layer, the batch normalization and the ReLU behind it as one operator: it rounds what comes
out of that, and nothing between (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference"; the TensorFlow Lite 8-bit quantization specification).
"""

from typing import Any, NamedTuple

import numpy as np

from ..walk import Calls, calls_of

__all__ = ["INPUT", "Bias", "Point", "Range", "biases_of", "points_of", "without_a_place"]

Range = tuple[float, float]
"""Lowest and highest number, with 0 between them or at an end."""
INPUT = ""
"""The name of what goes into the model: one that no layer has."""

_LINEAR = frozenset({
    "Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Dense", "DepthwiseConv1D", "DepthwiseConv2D",
})  # fmt: skip
_JOINING = frozenset({"Add", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"})
_ROUNDED = _LINEAR | _JOINING | {
    "Activation", "BatchNormalization", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D",
    "LeakyReLU", "PReLU", "ReLU", "Rescaling",
}  # fmt: skip
_MOVING = frozenset({
    "ActivityRegularization", "AlphaDropout", "AveragePooling1D", "AveragePooling2D", "Cropping1D", "Cropping2D",
    "Dropout", "Flatten", "GaussianDropout", "GaussianNoise", "GlobalMaxPooling1D", "GlobalMaxPooling2D",
    "MaxPooling1D", "MaxPooling2D", "Permute", "RepeatVector", "Reshape", "SpatialDropout1D", "SpatialDropout2D",
    "UpSampling1D", "UpSampling2D", "ZeroPadding1D", "ZeroPadding2D",
})  # fmt: skip
"""They move numbers, choose among them, or average: the integers keep their scale."""
_AVERAGING = frozenset({"AveragePooling1D", "AveragePooling2D"})
"""What these make is no whole number of steps: it is rounded to the scale that it came in."""
_FIXED: dict[str, Range] = {
    "softmax": (0.0, 255 / 256), "sigmoid": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128), "hard_sigmoid": (0.0, 1.0),
}  # fmt: skip
"""Functions whose range is the same always: files round what goes in, and come with the range of what comes out."""
_OWN = frozenset({"hard_silu"})
"""Functions that are one operator, whose range is the place's own: files round what goes in, too."""
_STEPS: dict[str, Range] = {"hard_sigmoid": (0.0, 6.0)}
"""Functions that files compute in two steps, with the range of the first: `relu6(x + 3)`, and a sixth of it."""
_FUSED = frozenset({"relu", "relu6"})
_NONE = "linear"


class Point(NamedTuple):
    """One place where activations are rounded."""

    name: str
    layer: Any
    before: bool = False
    """In front of the layer's own activation function; behind the whole layer otherwise."""
    takes: str | Range | None = None
    """The range of another place, by its name, or one that is always the same; None where the place has its own."""
    averages: bool = False
    """Whether files average integers there: halves go away from their zero."""
    inside: bool = False
    """Between the two steps in which files compute the layer, or its activation function."""


class Bias(NamedTuple):
    """A bias that files round: to whole multiples of the step of what comes in, times that of the kernel's channel."""

    layer: Any
    """Linear."""
    norm: Any
    """The batch normalization that the converter folds into it; None where there is none."""
    takes: str | Range
    """The range of what comes in, as `Point.takes` says it."""


def without_a_place(model: Any) -> str:
    """The layer of a model, of either Keras, in which activations are rounded at places that are not known here; empty
    where there is none."""
    if len(model.inputs) > 1:
        # Each would need a range of its own.
        return f"{model.name} ({len(model.inputs)} inputs)"
    calls = calls_of(model)
    folded = _folded(calls)
    for layer in calls.layers:
        kind = type(layer).__name__
        known = kind in _ROUNDED | _MOVING | {"Softmax"}
        if kind == "BatchNormalization" and id(layer) not in folded and not _by_channel(layer):
            return f"{layer.name} ({kind} along axis {layer.axis}, not alone behind a linear layer)"
        odd = _function(layer) not in _FUSED | set(_FIXED) | _OWN | {_NONE}
        if not known or odd or (kind == "ReLU" and not _plain(layer)):
            return f"{layer.name} ({kind if not odd else _function(layer)})"
    return ""


def points_of(model: Any) -> list[Point]:
    """All places of a model that `without_a_place` finds nothing in, in the order of its layers; the input is not among
    them."""
    calls = calls_of(model)
    readers, folded, found = calls.readers(), _folded(calls), []
    for layer in calls.layers:
        kind, function, takers = type(layer).__name__, _function(layer), readers.get(id(layer), [])
        if kind == "BatchNormalization" and id(layer) not in folded:
            # By itself it is a product and a sum.
            found.append(Point(f"{layer.name}/inside", layer, inside=True))
        if function in _STEPS:
            found.append(Point(f"{layer.name}/inside", layer, takes=_STEPS[function], inside=True))
        if function in {*_FIXED, *_OWN} and kind not in ("Activation", "Softmax"):
            found.append(Point(f"{layer.name}/before", layer, before=True))
        if function in _FIXED:
            if not _ends(takers, readers):
                # What a model answers is rounded by the file alone: no loss can be taken of a probability of 0.
                found.append(Point(f"{layer.name}/after", layer, takes=_FIXED[function]))
        elif kind == "Rescaling" and not _moves(layer):
            if np.any(layer.offset):
                found.append(Point(f"{layer.name}/inside", layer, inside=True))
            found.append(Point(layer.name, layer))
        elif kind in _AVERAGING or (kind == "UpSampling2D" and layer.interpolation != "nearest"):
            if (scale := _scale_of(layer, calls)) is not None:
                found.append(Point(layer.name, layer, takes=scale, averages=kind in _AVERAGING))
        elif not _moves(layer) and not _goes_on(layer, takers):
            found.append(Point(layer.name, layer))
    return found


def biases_of(model: Any) -> list[Bias]:
    """The biases of a model that `without_a_place` finds nothing in, folded normalizations' ones too."""
    calls = calls_of(model)
    readers, found = calls.readers(), []
    for layer in calls.layers:
        if type(layer).__name__ not in _LINEAR or (takes := _scale_of(layer, calls)) is None:
            continue
        takers = readers.get(id(layer), [])
        folded = _goes_on(layer, takers) and type(takers[0]).__name__ == "BatchNormalization"
        if folded or layer.bias is not None:
            found.append(Bias(layer, takers[0] if folded else None, takes))
    return found


def _ends(takers: list[Any], readers: dict[int, list[Any]]) -> bool:
    """Whether all that becomes of something is the model's answer."""
    return all(taker is None or (_moves(taker) and _ends(readers.get(id(taker), []), readers)) for taker in takers)


def _scale_of(layer: Any, calls: Calls) -> str | Range | None:
    """The range of what goes into a layer, as `Point.takes` says it; None where there are several."""
    given = {key for call in calls.made if call.layer is layer for key in call.inputs}
    if len(given) != 1:
        return None
    giver = calls.giver(given.pop())
    if giver is None:
        return INPUT
    if (function := _function(giver.layer)) in _FIXED:
        return _FIXED[function]
    return _scale_of(giver.layer, calls) if _moves(giver.layer) else str(giver.layer.name)


def _moves(layer: Any) -> bool:
    """Whether the integers keep their scale."""
    kind = type(layer).__name__
    nothing = kind == "Rescaling" and np.all(np.equal(layer.scale, 1)) and not np.any(layer.offset)
    return bool(kind in _MOVING or nothing or (kind, _function(layer)) == ("Activation", _NONE))


def _folded(calls: Calls) -> set[int]:
    """Layers, by their `id`, that the operator in front of them computes."""
    readers = calls.readers()
    return {id(readers[id(layer)][0]) for layer in calls.layers if _goes_on(layer, readers.get(id(layer), []))}


def _by_channel(norm: Any) -> bool:
    """Whether a normalization goes along the last axis."""
    axis = norm.axis[0] if len(np.shape(norm.axis)) else norm.axis
    return bool(axis in (-1, norm.input_spec.ndim - 1))


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
    if type(layer).__name__ == "Softmax":
        return "softmax"
    function = getattr(layer, "activation", None)
    if function is None:
        return _NONE
    name = str(getattr(function, "__name__", type(function).__name__))
    # Keras 2 had another function of that name.
    return f"{name} of tf-keras" if name in _STEPS and "tf_keras" in function.__module__ else name


def _function_of(layer: Any, kind: str) -> str:
    return _function(layer) if type(layer).__name__ == kind else ""


def _plain(layer: Any) -> bool:
    """Whether a ReLU is one that operators have in them."""
    slope = getattr(layer, "negative_slope", 0.0)
    return not slope and not getattr(layer, "threshold", 0.0) and getattr(layer, "max_value", None) in (None, 6, 6.0)
