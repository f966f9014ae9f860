"""The rows of the study: which model, on which data, and what is asked of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgepress.base.extras import require

__all__ = ["ENGINES", "ROWS", "Row"]

ENGINES = ("tfmot", "own")
"""Beside each other where both know a model."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    data: str
    """A name, or a file in EDGEPRESS_DATA_DIR."""
    model: str | Callable[[], Any]
    """A name in `MODELS`, what builds a Keras 3 model for such data, or a trained Keras file in EDGEPRESS_DATA_DIR,
    which is the float model as it is."""
    asked: Mapping[str, Any]
    """Of the config, in pressing."""
    engine: str
    fitted: Mapping[str, Any] = field(default_factory=dict)
    """Of the config, in all fits."""
    seconds: float | None = None
    """Length of the window of recordings."""
    input: str | None = None
    """How a trained file takes its input."""
    examples: int = 0
    """So many of the training examples, the first ones; 0 for all."""

    @property
    def network(self) -> dict[str, str]:
        """Of the config, for a model that it names; empty for any other."""
        from edgepress.train import MODELS

        return {"model": self.model} if isinstance(self.model, str) and self.model in MODELS else {}


def _recurrent(kind: str) -> Callable[[], Any]:
    def build() -> Any:
        keras = require("keras", extra="toolkit")
        window = keras.Input((100, 6))
        last = getattr(keras.layers, kind)(16)(keras.layers.Rescaling(0.1)(window))
        return keras.Model(window, keras.layers.Dense(4)(keras.layers.Dropout(0.1)(last)), name=kind.lower())

    return build


def _transformer() -> Any:
    """One encoder block over patches of ten steps (Vaswani et al. 2017; Dosovitskiy et al. 2021)."""
    keras = require("keras", extra="toolkit")
    layers, window = keras.layers, keras.Input((100, 6))
    steps = layers.Conv1D(32, 10, strides=10)(layers.Rescaling(0.1)(window))
    steps = layers.LayerNormalization()(steps + layers.MultiHeadAttention(4, 8)(steps, steps))
    wide = layers.Dense(32)(layers.Dense(64, activation="gelu")(steps))
    steps = layers.LayerNormalization()(steps + wide)
    return keras.Model(window, layers.Dense(4)(layers.GlobalAveragePooling1D()(steps)), name="transformer")


def _mobile() -> Any:
    """Two inverted residual blocks with squeeze-and-excite and hard swish (Howard et al. 2019)."""
    keras = require("keras", extra="toolkit")
    layers, image = keras.layers, keras.Input((28, 28, 1))

    def swish(found: Any) -> Any:
        return layers.Activation("hard_silu")(layers.BatchNormalization()(found))

    found = swish(layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(layers.Rescaling(1.0)(image)))
    for width, stride in ((12, 2), (12, 1)):
        wide = swish(layers.Conv2D(32, 1, use_bias=False)(found))
        wide = swish(layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(wide))
        squeezed = layers.GlobalAveragePooling2D(keepdims=True)(wide)
        squeezed = layers.Conv2D(32, 1, activation="hard_sigmoid")(layers.Conv2D(8, 1, activation="relu")(squeezed))
        narrow = layers.BatchNormalization()(layers.Conv2D(width, 1, use_bias=False)(wide * squeezed))
        found = narrow + found if stride == 1 else narrow
    return keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(swish(found))), name="mobile")


_SHORT = {"epochs": 12, "prune_epochs": 8, "cluster_epochs": 4, "quantize_epochs": 4, "patience": 40}
_LONGER = {
    **_SHORT, "prune_epochs": 32, "quantize_epochs": 16, "prune_learning_rate": 5e-3, "scope": "measured",
}  # fmt: skip
"""For a network of 4,000 weights, which has none to spare; rate and scope chosen by files on its held-back pictures."""
_MOTIONS = {"epochs": 30, "prune_epochs": 12, "quantize_epochs": 4, "patience": 100, "noise": 0.1}
_SOUNDS = {
    "epochs": 20, "prune_epochs": 10, "quantize_epochs": 6, "patience": 40, "batch_size": 64, "learning_rate": 4e-3,
    "dropout": 0.2, "shift_seconds": 0.05, "gain_db": 6.0, "noise": 0.1, "shift": 0,
}  # fmt: skip
_COLOURS = {"patience": 100, "mirror": True, "shift": 2, "distill": 0.9}
_FEW = 10_000
"""Pictures of digits for convolutional networks: a press of all takes an hour."""
_ZEROS = {"sparsity": 0.7, "weight_bits": 8}
_WHOLE = {"sparsity": 0.0, "prune_epochs": 0}

_KINDS: dict[str, Mapping[str, Any]] = {
    "zeros 80 %, int8": {"sparsity": 0.8},
    "2:4, int8": {"pruning": "2:4"},
    "clusters 16, int8": {**_WHOLE, "clusters": 16},
    "zeros 80 %, clusters 16, int8": {"sparsity": 0.8, "clusters": 16},
    "int8": _WHOLE,
}
"""On ground that both engines know: with 8-bit training behind zeros that is PQAT, behind both PCQAT."""


def _both(name: str, kinds: Mapping[str, Mapping[str, Any]], **row: Any) -> dict[str, Row]:
    return {
        f"{name}, {kind}, {engine}": Row(asked=asked, engine=engine, **row)
        for kind, asked in kinds.items()
        for engine in ENGINES
    }


_RESNET8: dict[str, Any] = {"data": "cifar10-jpeg.zip", "model": "models/resnet8.h5", "input": "pixels"}

ROWS: dict[str, Row] = {
    "gru, zeros 70 %, int8": Row("basic-motions.npz", _recurrent("GRU"), _ZEROS, "own", _MOTIONS),
    "lstm, zeros 70 %, int8": Row("basic-motions.npz", _recurrent("LSTM"), _ZEROS, "own", _MOTIONS),
    "transformer, zeros 70 %, int8": Row("basic-motions.npz", _transformer, _ZEROS, "own", _MOTIONS),
    **_both("mlp", _KINDS, data="mnist", model="mlp", fitted=_SHORT),
    "ds-cnn, zeros 70 %, int8": Row("spoken-digits.zip", "ds-cnn", _ZEROS, "own", _SOUNDS, 0.7),
    "ds-cnn, 4 bits": Row("spoken-digits.zip", "ds-cnn", {**_WHOLE, "weight_bits": 4}, "own", _SOUNDS, 0.7),
    "mobile, zeros 70 %, int8": Row("mnist", _mobile, _ZEROS, "own", _LONGER, examples=_FEW),
    "resnet8, half the multiply-adds, int8": Row(
        asked={**_WHOLE, "structured": 0.5, "quantize_epochs": 0}, engine="",
        fitted={
            **_COLOURS, "distill": 0.5, "structured_epochs": 150, "structured_learning_rate": 4e-3, "choose_from": 0.8,
        }, **_RESNET8,
    ),
    "resnet8, 4 bits": Row(
        asked={**_WHOLE, "weight_bits": 4, "quantize_epochs": 12}, engine="own",
        fitted={**_COLOURS, "quantize_learning_rate": 1e-3}, **_RESNET8,
    ),
    **_both(
        "lenet-5", {kind: _KINDS[kind] for kind in ("zeros 80 %, int8", "zeros 80 %, clusters 16, int8")},
        data="mnist", model="lenet-5", fitted=_SHORT, examples=_FEW,
    ),
    **_both(
        "resnet8", {kind: _KINDS[kind] for kind in ("zeros 80 %, int8", "int8")},
        fitted={**_COLOURS, "prune_epochs": 8, "quantize_epochs": 4}, **_RESNET8,
    ),
}  # fmt: skip
"""The cheap ones first."""
