"""A tf-keras model from a `Graph`, every layer made here, its weights set by hand."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import InputError

from .graph import Graph, Node, Ref
from .layers import MERGES, finish_layer, make_layer, restore_initializers

__all__ = ["BuiltModel", "build_model", "set_weights"]


@dataclass(frozen=True)
class BuiltModel:
    """A rebuilt model: models inside it are laid open, so that it is one flat tf-keras model."""

    model: Any
    layers: dict[tuple[str, ...], Any]
    """Each layer by its path: names of the models that it is inside of, then its own."""

    def finish(self) -> Any:
        """The model, once its weights are set."""
        for layer in self.layers.values():
            finish_layer(layer)
        return self.model


def build_model(graph: Graph, most_weights: int) -> BuiltModel:
    """Make the model that a graph describes.

    Args:
        graph: Without quantization.
        most_weights: How many weights the layers may have together; a file cannot ask for more than it brings.

    Raises:
        InputError: Layers that do not fit together, or ask for more weights.
    """
    tf_keras = require("tf_keras", extra="toolkit")
    budget = _Budget(most_weights)
    layers: dict[tuple[str, ...], Any] = {}
    _make_layers(graph, (), layers, budget)
    tensors = {
        node.name: tf_keras.Input(node.shape, name=_scope_name(node.name))
        for node in graph.nodes
        if node.name in graph.inputs
    }
    inputs = [tensors[name] for name in graph.inputs]
    outputs = _apply(graph, (), inputs, layers)
    for layer in layers.values():
        restore_initializers(layer)
    model = tf_keras.Model(
        inputs if len(inputs) > 1 else inputs[0],
        outputs if len(outputs) > 1 else outputs[0],
        name=_scope_name(graph.name),
    )
    return BuiltModel(model, layers)


def set_weights(path: tuple[str, ...], variables: list[Any], arrays: list[NDArray[Any]]) -> None:
    """Copy arrays into variables, one by one."""
    wanted, given = [tuple(v.shape) for v in variables], [array.shape for array in arrays]
    if wanted != given:
        raise InputError(
            f"layer {'/'.join(path)!r} has weights {given}, its config asks for {wanted}: save the model again"
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(np.asarray(array).astype(variable.dtype.as_numpy_dtype))


class _Budget:
    """An initializer that makes zeros until the file's own weights are used up: a config cannot claim memory."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, shape: Any, dtype: Any = None, **_: Any) -> Any:
        self.left -= int(np.prod([int(length) for length in shape], dtype=object))
        if self.left < 0:
            raise InputError("the config asks for more weights than the file holds: save the model again")
        return require("tensorflow", extra="toolkit").zeros(shape, dtype or "float32")


def _make_layers(graph: Graph, path: tuple[str, ...], layers: dict[tuple[str, ...], Any], budget: _Budget) -> None:
    taken = {layer.name for layer in layers.values()}
    for node in graph.nodes:
        if node.inner:
            _make_layers(node.inner, (*path, node.name), layers, budget)
        elif node.class_name != "InputLayer":
            name = _scope_name(node.name)
            if name in taken:
                name = _scope_name("_".join((*path, node.name)))
            taken.add(name)
            layers[*path, node.name] = make_layer(node.class_name, name, node.options, node.trainable, budget)


def _apply(graph: Graph, path: tuple[str, ...], inputs: list[Any], layers: dict[tuple[str, ...], Any]) -> list[Any]:
    """The model's outputs for input tensors; every call runs once its own inputs are there."""
    if len(inputs) != len(graph.inputs):
        raise InputError(f"model {graph.name!r} takes {len(graph.inputs)} inputs and is called on {len(inputs)}")
    known: dict[Ref, Any] = {Ref(name, 0, 0): tensor for name, tensor in zip(graph.inputs, inputs, strict=True)}
    waiting = [(node, number, refs) for node in graph.nodes for number, refs in enumerate(node.calls)]
    while waiting:
        ready = [item for item in waiting if all(ref in known for ref in item[2])]
        if not ready:
            raise InputError(
                f"layer {waiting[0][0].name!r} waits for a tensor that no layer gives: save the model again"
            )
        for node, number, refs in ready:
            for index, tensor in enumerate(_call(node, path, [known[ref] for ref in refs], layers)):
                known[Ref(node.name, number, index)] = tensor
        done = {(node.name, number) for node, number, _ in ready}
        waiting = [item for item in waiting if (item[0].name, item[1]) not in done]
    missing = [ref for ref in graph.outputs if ref not in known]
    if missing:
        raise InputError(f"the output {missing[0].layer!r} is given by no layer: save the model again")
    return [known[ref] for ref in graph.outputs]


def _call(node: Node, path: tuple[str, ...], tensors: list[Any], layers: dict[tuple[str, ...], Any]) -> Iterator[Any]:
    if node.inner:
        yield from _apply(node.inner, (*path, node.name), tensors, layers)
        return
    try:
        yield layers[*path, node.name](tensors if node.class_name in MERGES or len(tensors) > 1 else tensors[0])
    except InputError:
        raise
    except Exception as error:
        # Keras raises whatever comes up where shapes and arguments do not fit.
        reason = re.sub(r"\s+", " ", str(error))[:200]
        raise InputError(f"layer {node.name!r} ({node.class_name}) cannot be rebuilt: {reason}") from None


def _scope_name(name: str) -> str:
    """A name that TensorFlow accepts for a scope."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    return name if re.match(r"[A-Za-z0-9.]", name) else f"layer{name}"
