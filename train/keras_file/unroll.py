"""Models that go through sequences step by step, and the same without loops: converters have no integers for those."""

from typing import Any

from edgepress.base.extras import require

from .native import as_tf_keras, inside, remade
from .saved_graph import takes_one_example

__all__ = ["has_loops", "unrolled"]

_CONVOLUTIONAL = "ConvLSTM"
"""What the names of layers begin with that Keras makes with loops only."""


def has_loops(model: Any) -> bool:
    """Whether an opened model goes through sequences step by step, or takes one example a call."""
    return takes_one_example(inside(model)) or _loops(inside(model).get_config())


def unrolled(model: Any) -> Any | None:
    """The same model with the steps of its recurrent layers one after the other; None where there is none to unroll.

    Raises:
        Exception: Whatever Keras raises; it cannot unroll a sequence of any length.
    """
    looped = inside(model)
    before = looped.get_config()
    if not _loops(before):
        return None
    made = remade(looped, _unrolled(before), looped.get_weights())
    for layer in made._flatten_layers():
        if type(layer).__name__.startswith(_CONVOLUTIONAL):
            _unroll(layer)
    return as_tf_keras(made)


def _loops(config: Any) -> bool:
    if isinstance(config, dict):
        return config.get("unroll") is False or any(map(_loops, config.values()))
    return isinstance(config, list | tuple) and any(map(_loops, config))


def _unrolled(config: Any) -> Any:
    """The config with no loops in its recurrent layers but in those that refuse it."""
    if isinstance(config, list):
        return [_unrolled(each) for each in config]
    if not isinstance(config, dict):
        return config
    if str(config.get("class_name")).startswith(_CONVOLUTIONAL):
        return config
    return {key: True if key == "unroll" else _unrolled(each) for key, each in config.items()}


def _unroll(layer: Any) -> None:
    """Let a convolutional recurrent layer of either Keras take its steps one after the other from now on.

    Keras 3 refuses the option when the layer is made, and heeds it when the layer is called. tf-keras does not know it
    there: its own call is kept for what it alone does, masks and states that are given.
    """
    if not hasattr(layer, "get_initial_state") or not hasattr(layer, "cell"):
        return
    layer.unroll = True
    if type(layer).__module__.startswith("keras."):
        return
    looped = layer.call

    def call(inputs: Any, mask: Any = None, training: Any = None, initial_state: Any = None) -> Any:
        if mask is not None or initial_state is not None or layer.stateful or layer.return_state:
            return looped(inputs, mask=mask, training=training, initial_state=initial_state)
        states, outputs = layer.get_initial_state(inputs), []
        steps = range(inputs.shape[1])
        for step in reversed(steps) if layer.go_backwards else steps:
            output, states = layer.cell.call(inputs[:, step], states, training=training)
            outputs.append(output)
        if not layer.return_sequences:
            return outputs[-1]
        return require("tensorflow", extra="toolkit").stack(outputs, axis=1)

    layer.call = call
