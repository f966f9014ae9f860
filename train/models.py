"""The models that edgepress trains itself. They give logits or numbers: a softmax adds bytes and changes no label."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import InputError
from edgepress.runtime.contract import Audio, Input, Picture
from edgepress.runtime.tasks import Task

__all__ = ["MODELS", "Network", "build_mlp", "build_network", "usual_model"]

_CNN_WIDTHS = (16, 32, 32, 64, 64)
_COLOUR_WIDTHS = (24, 32, 48, 64, 64)
"""Of `cnn` for pictures in colour, in which there is more to tell apart."""
_SIGNAL_WIDTHS = (16, 32, 32)
_SIGNAL_KERNEL = 5
_SMALLEST_PICTURE = 12
_SHORTEST_SIGNAL = 16
_SHORTEST_AUDIO = 512
_TAPS_SECONDS, _HOP_SECONDS = 0.016, 0.002
"""Length of the filters of `ds-cnn`, and how often they are asked."""
_FILTERS = 40
_LOWEST_HERTZ = 60.0
_ENVELOPE = 6
"""Answers of a filter that become one, in which even a low tone has its peak."""
_SOUND_BLOCKS = ((64, 1), (64, 2), (96, 1), (96, 2))
"""Channels and stride over time of the separable convolutions."""
_SOUND_KERNEL = 5
_CEILING = 6.0
"""Of the activations of `ds-cnn`: a loud recording does not take the 8 bits from the quiet ones."""
_MOMENTUM = 0.9
"""Of batch normalisation where an epoch has a few dozen steps: with 0.99 the statistics lag behind the weights."""


@dataclass(frozen=True)
class Network:
    """One kind of model that can be made."""

    build: Callable[[Input, int, Sequence[int], float, bool], Any]
    """From the input, the number of outputs, hidden widths, dropout, batch normalization."""
    takes: tuple[str, ...]
    """Kinds of input."""
    tasks: tuple[str, ...] = ("multiclass", "binary", "multilabel", "regression")
    smallest: int = 0
    """Least height and width of a picture, or steps of a signal."""
    usual: tuple[str, ...] = ()
    """Kinds of input that it is taken for where none is named; `colour` stands for pictures in colour."""


def outputs_of(task: Task) -> int:
    """How many numbers a model for the task gives."""
    return min(task.traits.widths(len(task.labels)))


def usual_model(contract: Input, task: Task) -> str:
    """The model that is taken for such inputs and such a task where none is named."""
    colour = isinstance(contract, Picture) and contract.channels > 1
    for kind in [*(["colour"] if colour else []), contract.kind]:
        for name, network in MODELS.items():
            if kind in network.usual and task.kind in network.tasks and not _too_small(network, contract):
                return name
    raise InputError(
        f"edgepress has no model of its own for {task.kind} of {contract.kind} of {contract.shape}: press one of yours "
        "with --model FILE"
    )


def build_network(
    name: str,
    contract: Input,
    task: Task,
    *,
    widths: Sequence[int] = (128, 64),
    dropout: float = 0.0,
    batch_norm: bool = False,
) -> Any:
    """A new tf-keras model by its name in `MODELS`.

    Args:
        name: As in `MODELS`.
        contract: What goes in.
        task: What comes out.
        widths: Units of each hidden layer of `mlp`, and of `autoencoder`'s first half.
        dropout: Share of the hidden units left out in training.
        batch_norm: Of the MLPs; convolutional networks always have it.

    Raises:
        InputError: No such model, or one for other inputs or tasks.
    """
    if name not in MODELS:
        raise InputError(f"no model {name!r}: allowed are {', '.join(MODELS)}")
    network = MODELS[name]
    if contract.kind not in network.takes or task.kind not in network.tasks:
        raise InputError(
            f"model {name} is for {' or '.join(network.takes)} and {', '.join(network.tasks)}; this is {task.kind} "
            f"of {contract.kind}: take {usual_model(contract, task)}"
        )
    if _too_small(network, contract):
        what = f"{name} takes examples from {network.smallest} a side on, these are {contract.shape}"
        raise InputError(f"{what}: take an mlp")
    return network.build(contract, outputs_of(task), widths, dropout, batch_norm)


def _too_small(network: Network, contract: Input) -> bool:
    return min(contract.shape[: 2 if isinstance(contract, Picture) else 1]) < network.smallest


def build_mlp(
    inputs: int,
    outputs: int,
    widths: Sequence[int],
    dropout: float = 0.0,
    batch_norm: bool = False,
    *,
    input_name: str = "pixels",
    output_name: str = "logits",
) -> Any:
    """A multi-layer perceptron: Dense layers with ReLU, dropout after each, and a Dense layer without.

    Args:
        inputs: Numbers of one example; the model takes float32 (n, inputs).
        outputs: Numbers that it gives.
        widths: Units of each hidden layer.
        dropout: Share of the hidden units left out in training.
        batch_norm: Normalise between each hidden layer and its ReLU.
        input_name: Of the input.
        output_name: Of the last layer.
    """
    tf_keras = require("tf_keras", extra="toolkit")
    layers = tf_keras.layers
    stack = [layers.Input((inputs,), name=input_name)]
    for number, width in enumerate(widths, 1):
        if batch_norm:
            stack.append(layers.Dense(width, use_bias=False, name=f"hidden{number}"))
            stack.append(layers.BatchNormalization(name=f"norm{number}"))
            stack.append(layers.ReLU(name=f"relu{number}"))
        else:
            stack.append(layers.Dense(width, activation="relu", name=f"hidden{number}"))
        if dropout:
            stack.append(layers.Dropout(dropout, name=f"dropout{number}"))
    stack.append(layers.Dense(outputs, name=output_name))
    return tf_keras.Sequential(stack, name="mlp")


def _input_name(contract: Input) -> str:
    return {"picture": "pixels"}.get(contract.kind, contract.kind)


def _mlp(contract: Input, outputs: int, widths: Sequence[int], dropout: float, batch_norm: bool) -> Any:
    inputs = math.prod(contract.shape)
    return build_mlp(inputs, outputs, widths, dropout, batch_norm, input_name=_input_name(contract))


def _lenet_300_100(contract: Input, outputs: int, widths: Sequence[int], dropout: float, batch_norm: bool) -> Any:
    return _mlp(contract, outputs, (300, 100), dropout, batch_norm)


def _autoencoder(contract: Input, outputs: int, widths: Sequence[int], dropout: float, batch_norm: bool) -> Any:
    """Narrower and narrower, then back to what came in: what it has not learned it cannot give back."""
    inputs = math.prod(contract.shape)
    middle = max(2, min(widths) // 8)
    around = [*widths, middle, *reversed(widths)]
    return build_mlp(
        inputs, inputs, around, 0.0, batch_norm, input_name=_input_name(contract), output_name="reconstruction"
    )


def _picture_shape(contract: Input) -> tuple[int, ...]:
    return contract.shape if len(contract.shape) == 3 else (*contract.shape, 1)


def _lenet5(contract: Input, outputs: int, widths: Sequence[int], dropout: float, batch_norm: bool) -> Any:
    """LeNet-5 (LeCun et al. 1998) as it is built today: ReLU and max pooling in place of tanh and averages."""
    tf_keras = require("tf_keras", extra="toolkit")
    layers = tf_keras.layers
    stack = [
        layers.Input(_picture_shape(contract), name=_input_name(contract)),
        layers.Conv2D(6, 5, padding="same", activation="relu", name="conv1"),
        layers.MaxPooling2D(name="pool1"),
        layers.Conv2D(16, 5, activation="relu", name="conv2"),
        layers.MaxPooling2D(name="pool2"),
        layers.Flatten(name="flat"),
        layers.Dense(120, activation="relu", name="hidden1"),
        layers.Dense(84, activation="relu", name="hidden2"),
        *([layers.Dropout(dropout, name="dropout")] if dropout else []),
        layers.Dense(outputs, name="logits"),
    ]
    return tf_keras.Sequential(stack, name="lenet5")


def _cnn(contract: Input, outputs: int, widths: Sequence[int], dropout: float, batch_norm: bool) -> Any:
    """Five 3 x 3 convolutions with batch normalisation, pooled twice, then averaged: about 70,000 weights."""
    tf_keras = require("tf_keras", extra="toolkit")
    layers = tf_keras.layers
    shape = _picture_shape(contract)
    stack = [layers.Input(shape, name=_input_name(contract))]
    for number, width in enumerate(_CNN_WIDTHS if shape[-1] == 1 else _COLOUR_WIDTHS, 1):
        stack.append(layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv{number}"))
        stack.append(layers.BatchNormalization(name=f"norm{number}"))
        stack.append(layers.ReLU(name=f"relu{number}"))
        if number in (1, 3):
            stack.append(layers.MaxPooling2D(name=f"pool{number}"))
    stack.append(layers.GlobalAveragePooling2D(name="average"))
    if dropout:
        stack.append(layers.Dropout(dropout, name="dropout"))
    stack.append(layers.Dense(outputs, name="logits"))
    return tf_keras.Sequential(stack, name="cnn")


def _conv1d(contract: Input, outputs: int, widths: Sequence[int], dropout: float, batch_norm: bool) -> Any:
    """Three convolutions over time with batch normalisation, halved twice, then averaged.

    They are written as 5 x 1 convolutions of pictures one column wide, which is what a converter makes of Conv1D, and
    what quantization-aware training knows.
    """
    tf_keras = require("tf_keras", extra="toolkit")
    layers = tf_keras.layers
    steps, channels = contract.shape
    stack = [
        layers.Input((steps, channels), name=_input_name(contract)),
        layers.Reshape((steps, 1, channels), name="columns"),
    ]
    for number, width in enumerate(_SIGNAL_WIDTHS, 1):
        kernel = (_SIGNAL_KERNEL, 1)
        stack.append(layers.Conv2D(width, kernel, padding="same", use_bias=False, name=f"conv{number}"))
        stack.append(layers.BatchNormalization(name=f"norm{number}"))
        stack.append(layers.ReLU(name=f"relu{number}"))
        if number < len(_SIGNAL_WIDTHS):
            stack.append(layers.MaxPooling2D((2, 1), name=f"pool{number}"))
    stack.append(layers.GlobalAveragePooling2D(name="average"))
    if dropout:
        stack.append(layers.Dropout(dropout, name="dropout"))
    stack.append(layers.Dense(outputs, name="logits"))
    return tf_keras.Sequential(stack, name="conv1d")


def _ds_cnn(contract: Input, outputs: int, widths: Sequence[int], dropout: float, batch_norm: bool) -> Any:
    """From the waveform: learned filters that begin as a mel filter bank, then depthwise separable convolutions.

    The front end is a convolution, ReLU and max pooling: each filter's envelope, as a spectrogram has it, made of
    layers that every converter and int8 know, and that are the same on every device. Its filters are Gabor functions at
    first (Zeghidour et al. 2018, "Learning Filterbanks from Raw Speech"); what follows is Zhang et al. 2017, "Hello
    Edge".
    """
    assert isinstance(contract, Audio)
    tf_keras = require("tf_keras", extra="toolkit")
    layers = tf_keras.layers
    taps, hop = (max(2, round(seconds * contract.rate)) for seconds in (_TAPS_SECONDS, _HOP_SECONDS))
    stack = [
        layers.Input(contract.shape, name=_input_name(contract)),
        layers.Reshape((contract.samples, 1, 1), name="column"),
        layers.Conv2D(_FILTERS, (taps, 1), (hop, 1), padding="same", use_bias=False, name="filters"),
        # Recordings are quiet: their variance is far below the usual epsilon.
        layers.BatchNormalization(momentum=_MOMENTUM, epsilon=1e-6, name="loudness"),
        layers.ReLU(_CEILING, name="rectified"),
        layers.MaxPooling2D((_ENVELOPE, 1), name="envelopes"),
    ]
    for number, (width, stride) in enumerate(_SOUND_BLOCKS, 1):
        kernel = (_SOUND_KERNEL, 1)
        stack.append(
            layers.DepthwiseConv2D(kernel, (stride, stride), padding="same", use_bias=False, name=f"time{number}")
        )
        stack.append(layers.BatchNormalization(momentum=_MOMENTUM, name=f"norm{number}a"))
        stack.append(layers.ReLU(_CEILING, name=f"relu{number}a"))
        stack.append(layers.Conv2D(width, 1, use_bias=False, name=f"mix{number}"))
        stack.append(layers.BatchNormalization(momentum=_MOMENTUM, name=f"norm{number}b"))
        stack.append(layers.ReLU(_CEILING, name=f"relu{number}b"))
    stack.append(layers.GlobalAveragePooling2D(name="average"))
    if dropout:
        stack.append(layers.Dropout(dropout, name="dropout"))
    stack.append(layers.Dense(outputs, name="logits"))
    model = tf_keras.Sequential(stack, name="ds-cnn")
    model.get_layer("filters").set_weights([_mel_filters(contract.rate, taps, _FILTERS)])
    return model


def _mel_filters(rate: int, taps: int, count: int) -> NDArray[np.float32]:
    """Gabor functions whose frequencies stand evenly on the mel scale, each as wide as the gap to its neighbours.

    Shape (taps, 1, 1, count); each of energy 1.
    """
    lowest, highest = (2595 * math.log10(1 + hertz / 700) for hertz in (_LOWEST_HERTZ, 0.48 * rate))
    hertz = 700 * (10 ** (np.linspace(lowest, highest, count + 2) / 2595) - 1)
    seconds = (np.arange(taps) - (taps - 1) / 2)[:, None] / rate
    # A Gaussian whose spectrum has half its height at half the gap.
    spread = math.sqrt(2 * math.log(2)) / (math.pi * (hertz[2:] - hertz[:-2]) / 2)
    waves = (
        np.cos(2 * math.pi * hertz[1:-1] * seconds) * np.exp(-0.5 * (seconds / spread) ** 2) * np.hanning(taps)[:, None]
    )
    return (waves / np.sqrt(np.square(waves).sum(axis=0))).reshape(taps, 1, 1, count).astype(np.float32)


_ANY = ("picture", "features", "signal", "tensor")
_FLAT = ("picture", "features", "tensor")
MODELS: dict[str, Network] = {
    "mlp": Network(_mlp, _FLAT, usual=_FLAT),
    "conv1d": Network(_conv1d, ("signal",), smallest=_SHORTEST_SIGNAL, usual=("signal",)),
    "ds-cnn": Network(_ds_cnn, ("audio",), smallest=_SHORTEST_AUDIO, usual=("audio",)),
    "autoencoder": Network(_autoencoder, _ANY, ("anomaly",), usual=_ANY),
    "lenet-300-100": Network(_lenet_300_100, _FLAT),
    "lenet-5": Network(_lenet5, ("picture",), smallest=_SMALLEST_PICTURE),
    "cnn": Network(_cnn, ("picture",), smallest=_SMALLEST_PICTURE, usual=("colour",)),
}
"""By name."""
