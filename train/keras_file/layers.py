"""The layers that a Keras file may name, and which of their arguments are taken over.

A whitelist: a class that is not here is refused by name, an argument that is not here is ignored where it only steers
training (initializers, regularizers, constraints) and refused where it changes results.
"""

import re
from typing import Any

from edgepress.base.extras import require
from edgepress.runtime import InputError

__all__ = [
    "CELLS",
    "LAYERS",
    "MERGES",
    "ONLY_IN_TRAINING",
    "CannotRebuildError",
    "finish_layer",
    "make_layer",
    "plain_options",
]

_CONV = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation", "use_bias")
_DEPTHWISE = (*_CONV[1:], "depth_multiplier")
_POOL = ("pool_size", "strides", "padding", "data_format")
_GLOBAL_POOL = ("data_format", "keepdims")
_RECURRENT = ("units", "activation", "recurrent_activation", "use_bias", "return_sequences", "go_backwards", "unroll")
_CELL_WEIGHTS = ("kernel_initializer", "recurrent_initializer", "bias_initializer")
_CONV_WEIGHTS = ("kernel_initializer", "bias_initializer")

ONLY_IN_TRAINING = frozenset(
    {"ActivityRegularization", "Identity", "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter"}
    | {"RandomContrast", "RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHue"}
    | {"RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation", "RandomSaturation"}
    | {"RandomSharpness", "RandomShear", "RandomTranslation", "RandomZoom"}
)
"""Layers that give what they take once a model is trained: they are bypassed. `RandomCrop` still crops, and is none."""

LAYERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(ONLY_IN_TRAINING, ()),
    "Activation": ("activation",),
    "AlphaDropout": ("rate",),
    "AveragePooling1D": _POOL,
    "AveragePooling2D": _POOL,
    "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale"),
    "CenterCrop": ("height", "width"),
    "Concatenate": ("axis",),
    "Conv1D": (*_CONV, "groups"),
    "Conv2D": (*_CONV, "groups"),
    "Conv2DTranspose": (*_CONV, "output_padding"),
    "Cropping1D": ("cropping",),
    "Cropping2D": ("cropping", "data_format"),
    "Dense": ("units", "activation", "use_bias"),
    "DepthwiseConv2D": _DEPTHWISE,
    "Dropout": ("rate", "noise_shape", "seed"),
    "ELU": ("alpha",),
    "GRU": (*_RECURRENT, "reset_after"),
    "LSTM": _RECURRENT,
    "SimpleRNN": _RECURRENT,
    "Flatten": ("data_format",),
    "GaussianDropout": ("rate",),
    "GaussianNoise": ("stddev",),
    "GlobalAveragePooling1D": _GLOBAL_POOL,
    "GlobalAveragePooling2D": _GLOBAL_POOL,
    "GlobalMaxPooling1D": _GLOBAL_POOL,
    "GlobalMaxPooling2D": _GLOBAL_POOL,
    "InputLayer": (),
    "LayerNormalization": ("axis", "epsilon", "center", "scale"),
    "LeakyReLU": ("alpha",),
    "MaxPooling1D": _POOL,
    "MaxPooling2D": _POOL,
    "Normalization": ("axis", "mean", "variance", "invert"),
    "PReLU": ("shared_axes",),
    "Permute": ("dims",),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "RepeatVector": ("n",),
    "Rescaling": ("scale", "offset"),
    "Reshape": ("target_shape",),
    "Resizing": ("height", "width", "interpolation", "crop_to_aspect_ratio"),
    "SeparableConv2D": (*_CONV, "depth_multiplier"),
    "Softmax": ("axis",),
    "SpatialDropout1D": ("rate",),
    "SpatialDropout2D": ("rate", "data_format"),
    "UpSampling1D": ("size",),
    "UpSampling2D": ("size", "data_format", "interpolation"),
    "ZeroPadding1D": ("padding",),
    "ZeroPadding2D": ("padding", "data_format"),
    "Add": (),
    "Average": (),
    "Maximum": (),
    "Minimum": (),
    "Multiply": (),
    "Subtract": (),
}
"""Class name to the constructor arguments that are taken over; `name` and `trainable` go without saying."""

CELLS = frozenset({"GRU", "LSTM", "SimpleRNN"})
"""Layers that keep their weights in a cell."""
MERGES = frozenset({"Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"})
"""Layers that take a list of tensors, even of one."""

_ACTIVATIONS = frozenset(
    {"elu", "exponential", "gelu", "hard_sigmoid", "linear", "relu", "selu", "sigmoid", "silu", "softmax", "softplus"}
    | {"softsign", "swish", "tanh"}
)
_RENAMED = {"LeakyReLU": {"negative_slope": "alpha"}}
"""Keras 3's argument names where tf-keras has others."""
_MUST_BE_FALSY = (
    "rms_scaling",
    "renorm",
    "virtual_batch_size",
    "approximate",
    "lora_rank",
    "quantization_mode",
    "quantization_config",
    "return_state",
    "stateful",
    "pad_to_aspect_ratio",
    "antialias",
)
"""Arguments that change results and have no counterpart here."""
_INITIALIZERS = {
    "kernel_initializer": "glorot_uniform",
    "depthwise_initializer": "glorot_uniform",
    "pointwise_initializer": "glorot_uniform",
    "bias_initializer": "zeros",
    "beta_initializer": "zeros",
    "gamma_initializer": "ones",
    "moving_mean_initializer": "zeros",
    "moving_variance_initializer": "ones",
    "alpha_initializer": "zeros",
    "recurrent_initializer": "orthogonal",
}
_INITIALIZED: dict[str, tuple[str, ...]] = {
    "BatchNormalization": (
        "beta_initializer", "gamma_initializer", "moving_mean_initializer", "moving_variance_initializer",
    ),
    "Conv1D": _CONV_WEIGHTS,
    "Conv2D": _CONV_WEIGHTS,
    "Conv2DTranspose": _CONV_WEIGHTS,
    "Dense": _CONV_WEIGHTS,
    "DepthwiseConv2D": ("depthwise_initializer", "bias_initializer"),
    "GRU": _CELL_WEIGHTS,
    "LSTM": _CELL_WEIGHTS,
    "LayerNormalization": ("beta_initializer", "gamma_initializer"),
    "SimpleRNN": _CELL_WEIGHTS,
    "PReLU": ("alpha_initializer",),
    "SeparableConv2D": ("depthwise_initializer", "pointwise_initializer", "bias_initializer"),
}  # fmt: skip


class CannotRebuildError(InputError):
    """A layer that is not on the list, or that is made in a way that tf-keras cannot reproduce."""


def plain_options(class_name: str, config: dict[str, Any], *, strict: bool = True) -> dict[str, Any]:
    """The arguments that a layer is made with, as plain numbers, strings and lists.

    Raises:
        CannotRebuildError: A class that is not on the list, or an argument that tf-keras cannot reproduce.
    """
    name = config.get("name", class_name)
    if not strict:
        return {"activation": _activation(name, config["activation"], strict=False)} if "activation" in config else {}
    if class_name not in LAYERS:
        raise CannotRebuildError(f"layer {name!r} is a {class_name}")
    for argument in _MUST_BE_FALSY:
        if config.get(argument):
            raise CannotRebuildError(f"layer {name!r} ({class_name}) has {argument}={config[argument]!r}")
    _check_precision(name, config.get("dtype"))
    renamed = _RENAMED.get(class_name, {})
    options = {}
    for argument, value in config.items():
        argument = renamed.get(argument, argument)
        if argument in ("activation", "recurrent_activation"):
            options[argument] = _activation(name, value)
        elif argument in LAYERS[class_name]:
            options[argument] = _plain(name, argument, value)
    return options


def make_layer(class_name: str, name: str, options: dict[str, Any], trainable: bool, initializer: Any) -> Any:
    """A tf-keras layer whose weights `initializer` makes, whatever their kind."""
    layers = require("tf_keras", extra="toolkit").layers
    used = dict.fromkeys(_INITIALIZED.get(class_name, ()), initializer)
    try:
        return getattr(layers, class_name)(name=name, trainable=trainable, **options, **used)
    except Exception as error:
        # Keras raises whatever comes up where an argument makes no sense.
        raise InputError(f"layer {name!r} ({class_name}) cannot be rebuilt: {_one_line(error)}") from None


def finish_layer(layer: Any) -> None:
    """Let a layer whose weights were set compute with them."""
    if type(layer).__name__ == "Normalization":
        # It keeps a copy of its statistics, in another shape.
        layer.finalize_state()


def restore_initializers(layer: Any) -> None:
    """Give a built layer initializers that its config can name."""
    initializers = require("tf_keras", extra="toolkit").initializers
    holder = layer.cell if type(layer).__name__ in CELLS else layer
    for argument in _INITIALIZED.get(type(layer).__name__, ()):
        setattr(holder, argument, initializers.get(_INITIALIZERS[argument]))


def _activation(layer: str, value: Any, *, strict: bool = True) -> str:
    if isinstance(value, dict):
        # Quantization-aware layers wrap theirs; Keras writes functions as {"class_name": "function", "config": name}.
        config = value.get("config")
        if value.get("class_name") == "function":
            value = config
        elif value.get("class_name") in ("QuantizeAwareActivation", "NoOpActivation") and isinstance(config, dict):
            return _activation(layer, config.get("activation", "linear"), strict=strict)
        else:
            value = value.get("class_name")
    if value is None:
        return "linear"
    if not strict:
        return str(value)
    if not isinstance(value, str) or value not in _ACTIVATIONS:
        raise CannotRebuildError(f"layer {layer!r} has the activation {value!r}")
    return value


def _plain(layer: str, argument: str, value: Any) -> Any:
    """Numbers, strings and nested lists of them; whatever else could be an object that Keras would import."""
    if isinstance(value, dict) and value.get("class_name") == "__tuple__":
        value = value.get("items")
    if isinstance(value, (list, tuple)):
        return tuple(_plain(layer, argument, item) for item in value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise CannotRebuildError(f"layer {layer!r} has {argument}={str(value)[:60]}")


def _check_precision(layer: str, dtype: Any) -> None:
    if isinstance(dtype, dict):
        config = dtype.get("config")
        dtype = config.get("name") if isinstance(config, dict) else None
    if dtype not in (None, "float32", "mixed_float16", "mixed_bfloat16"):
        raise CannotRebuildError(f"layer {layer!r} computes in {dtype!r}")


def _one_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error))[:200]
