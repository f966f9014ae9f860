"""The calls that a model is made of, in order, for either Keras."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from edgepress.base.extras import require
from edgepress.runtime import InputError

__all__ = ["Call", "Calls", "calls_of", "is_model", "kind_of"]

_LIBRARIES = ("keras", "tf_keras")
_OPERATIONS = {
    "__operators__.add": "Add", "math.add": "Add", "math.multiply": "Multiply", "math.subtract": "Subtract",
    "nn.relu": "Relu", "nn.relu6": "Relu6", "nn.silu": "Silu", "math.sigmoid": "Sigmoid", "math.tanh": "Tanh",
    "identity": "Identity",
}  # fmt: skip
"""TensorFlow's functions in a tf-keras model, to the names that Keras 3 gives its own."""


@dataclass(frozen=True)
class Call:
    """A layer, or an operation, on its inputs."""

    layer: Any
    kind: str
    """Its class; empty where it is not Keras' own."""
    path: tuple[str, ...]
    """Names of the models that it is in, and its own."""
    inputs: tuple[int, ...]
    """What tells one tensor from another."""
    outputs: tuple[int, ...]
    shapes: tuple[tuple[int | None, ...], ...]
    """Of the inputs, without the batch."""
    made: tuple[tuple[int | None, ...], ...]
    """Shapes of the outputs, without the batch."""
    plain: bool
    """Whether all that it is called with besides tensors are single numbers."""
    keys: tuple[str, ...] = ()
    """Where the layer's config is in that of its path: of a layer in a wrapper."""
    tensors: tuple[Any, ...] = ()
    """The inputs, where they are tensors of the whole model."""
    times: int = 1
    """How often it runs for one example."""

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Of the first output, without the batch."""
        return self.made[0]

    @property
    def positions(self) -> int:
        """How many vectors of channels it gives for one example; sizes that are left open count once."""
        return self.times * math.prod(length or 1 for length in self.shape[:-1])


class Calls(NamedTuple):
    """A model, call by call."""

    inputs: tuple[Any, ...]
    """Tensors of the graph; `Call` tells them by their `id`."""
    made: tuple[Call, ...]
    """In an order in which they can be made."""
    outputs: tuple[Any, ...]

    @property
    def layers(self) -> list[Any]:
        """What is called, each once."""
        return list({id(call.layer): call.layer for call in self.made}.values())

    def giver(self, tensor: int) -> Call | None:
        """The call that makes a tensor, told by its `id`; None of the model's inputs."""
        return next((call for call in self.made if tensor in call.outputs), None)

    def readers(self) -> dict[int, list[Any]]:
        """By a layer's `id`: who takes what it gives, call by call; None for the model's end."""
        givers = {key: id(call.layer) for call in self.made for key in call.outputs}
        found: dict[int, list[Any]] = {}
        taken = [(key, call.layer) for call in self.made for key in call.inputs]
        for key, reader in [*taken, *((id(tensor), None) for tensor in self.outputs)]:
            if key in givers:
                found.setdefault(givers[key], []).append(reader)
        return found


def calls_of(model: Any, within: tuple[str, ...] = ()) -> Calls:
    """The layers and operations that a model calls; those of models inside it are one call.

    Args:
        model: Of either Keras.
        within: Names of the models that it is in.

    Raises:
        InputError: Neither Sequential nor functional.
    """
    graph = getattr(model, "_functional", None) or model
    by_depth = getattr(graph, "_nodes_by_depth", None)
    if not by_depth or not getattr(model, "inputs", None):
        raise InputError(
            f"the layers of {model.name} ({type(model).__name__}) cannot be followed: Sequential and functional models "
            "are allowed"
        )
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    calls = tuple(call for node in nodes if (call := _call(node, within)) is not None)
    return Calls(tuple(graph.inputs), calls, tuple(graph.outputs))


def is_model(layer: Any) -> bool:
    """Whether a layer is a model with a graph of its own."""
    return bool(getattr(getattr(layer, "_functional", None) or layer, "_nodes_by_depth", None))


def kind_of(layer: Any) -> str:
    """The class of one of Keras' own layers and operations; empty for anything else."""
    if type(layer).__name__ == "TFOpLambda":
        return _OPERATIONS.get(layer.get_config()["function"], "")
    return type(layer).__name__ if type(layer).__module__.split(".")[0] in _LIBRARIES else ""


def _call(node: Any, within: tuple[str, ...]) -> Call | None:
    if hasattr(node, "operation"):
        layer, given, made = node.operation, node.input_tensors, node.output_tensors
        arguments = (node.arguments.args, node.arguments.kwargs) if given else ()
    else:
        layer, made = node.layer, _flat(node.outputs)
        given = [] if node.is_input else node.keras_inputs
        arguments = () if node.is_input else (node.call_args, node.call_kwargs)
    if not given:
        return None
    return Call(
        layer, kind_of(layer), (*within, layer.name), tuple(map(id, given)), tuple(map(id, made)),
        tuple(tuple(each.shape[1:]) for each in given), tuple(tuple(each.shape[1:]) for each in made),
        not any(map(_is_array, _leaves(arguments))), tensors=() if within else tuple(given),
    )  # fmt: skip


def _flat(outputs: Any) -> list[Any]:
    return list(require("tensorflow", extra="toolkit").nest.flatten(outputs))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def _is_array(value: Any) -> bool:
    """Whether it holds several numbers of its own."""
    shape = getattr(value, "shape", None)
    return shape is not None and type(value).__name__ != "KerasTensor" and math.prod(shape) > 1
