"""The structure of a Keras model, read from its config without importing or running anything that it names.

Keras 2, tf-keras and Keras 3 write the same structure in three dialects; all become a `Graph`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from edgepress.runtime import InputError

from .layers import ONLY_IN_TRAINING, CannotRebuildError, plain_options

__all__ = ["Graph", "Node", "Ref", "parse_graph", "snake_case_names"]

_MODELS = ("Sequential", "Functional", "Model")
_QUANTIZE_LAYER = "QuantizeLayer"
_BYPASSED = ONLY_IN_TRAINING | {_QUANTIZE_LAYER}
_QUANTIZE_WRAPPERS = ("QuantizeWrapper", "QuantizeWrapperV2")
_MOST_LAYERS = 10_000
_DEEPEST = 10
_LARGEST_INPUT = 2**26


class Ref(NamedTuple):
    """One tensor: which layer gave it, in which of its calls, and as which of its outputs."""

    layer: str
    call: int
    tensor: int


@dataclass(frozen=True)
class Node:
    """A layer, or a model inside the model, and the calls that it takes part in."""

    name: str
    class_name: str
    options: dict[str, Any] = field(default_factory=dict)
    trainable: bool = True
    shape: tuple[int | None, ...] | None = None
    """Without the batch; of an InputLayer only."""
    calls: tuple[tuple[Ref, ...], ...] = ()
    inner: "Graph | None" = None
    """Of a model inside the model."""
    wrapper: str | None = None
    """Class of the quantization wrapper around the layer."""


@dataclass(frozen=True)
class Graph:
    """A model: its layers in the order in which Keras saves them, and the tensors that go in and out."""

    name: str
    class_name: str
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    """Names of the input layers, in the order of the model's arguments."""
    outputs: tuple[Ref, ...]

    @property
    def quantized(self) -> bool:
        """Whether it is a quantization-aware model."""
        return any(node.wrapper or node.class_name == _QUANTIZE_LAYER for node in self.nodes)

    @property
    def partly_quantized(self) -> bool:
        """Whether some of its layers were left without the quantizers that others have."""
        plain = [n for n in self.nodes if not n.wrapper and n.class_name not in ("InputLayer", _QUANTIZE_LAYER)]
        return self.quantized and bool(plain)

    def without_quantization(self) -> "Graph":
        """The same model with plain layers: wrappers unwrapped, quantizing layers and those that act in training alone
        bypassed."""
        bypassed = {
            Ref(node.name, call, 0): refs[0]
            for node in self.nodes
            if node.class_name in _BYPASSED
            for call, refs in enumerate(node.calls)
        }
        # A wrapper's name is `quant_` and the layer's; references follow the layer.
        names = {f"quant_{node.name}": node.name for node in self.nodes if node.wrapper}

        def follow(ref: Ref) -> Ref:
            while ref in bypassed:
                ref = bypassed[ref]
            return ref._replace(layer=names.get(ref.layer, ref.layer))

        nodes = tuple(
            replace(node, wrapper=None, inner=node.inner and node.inner.without_quantization())
            for node in self.nodes
            if node.class_name not in _BYPASSED
        )
        return replace(self, nodes=nodes).with_refs(follow)

    def with_refs(self, change: Callable[[Ref], Ref]) -> "Graph":
        """The same model with every reference to a tensor changed."""
        nodes = tuple(replace(node, calls=tuple(tuple(map(change, c)) for c in node.calls)) for node in self.nodes)
        return replace(self, nodes=nodes, outputs=tuple(map(change, self.outputs)))


def parse_graph(class_name: str, config: Any, build_shape: Any = None, depth: int = 0, *, strict: bool = True) -> Graph:
    """Read a model's config.

    Args:
        class_name: As the file states it: Sequential, Functional or Model.
        config: The model's `get_config()`, from JSON.
        build_shape: Input shape (with the batch) that stands outside the config; some files have it only there.
        depth: How many models this one is inside of.
        strict: Refuse what cannot be rebuilt. Otherwise layers have no options but their activation: enough to see
            what a model begins and ends with.

    Raises:
        CannotRebuildError: A layer that cannot be rebuilt, by name.
        InputError: A config that makes no sense.
    """
    if class_name not in _MODELS:
        raise CannotRebuildError(f"the model is a {class_name}: Sequential and functional models can be rebuilt")
    if depth > _DEEPEST:
        raise InputError(f"the model is nested more than {_DEEPEST} deep: flatten it")
    try:
        if isinstance(config, list):
            config = {"name": "model", "layers": config}
        entries = config["layers"]
        if not isinstance(entries, list) or not 0 < len(entries) <= _MOST_LAYERS:
            raise InputError(f"the model has {len(entries)} layers: 1 to {_MOST_LAYERS} are allowed")
        name = str(config.get("name", "model"))
        if class_name == "Sequential":
            graph = _sequential(name, entries, config.get("build_input_shape", build_shape), depth, strict)
        else:
            graph = _functional(name, config, entries, depth, strict)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the model's config is damaged ({error!r}): save the model again") from None
    names = [node.name for node in graph.nodes]
    if len(set(names)) != len(names):
        raise InputError(f"two layers of {graph.name!r} share a name: rename one and save the model again")
    return graph


def snake_case_names(class_names: list[str]) -> Iterator[str]:
    """The names under which Keras files its layers: the class in snake case, numbered from the second on."""
    seen: dict[str, int] = {}
    for class_name in class_names:
        name = _snake_case(class_name)
        seen[name] = seen.get(name, -1) + 1
        yield f"{name}_{seen[name]}" if seen[name] else name


def _snake_case(name: str) -> str:
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _sequential(name: str, entries: list[Any], build_shape: Any, depth: int, strict: bool) -> Graph:
    nodes = [_node(entry, depth, strict) for entry in entries]
    if nodes[0].class_name != "InputLayer":
        first = entries[0]["config"]
        shape = first.get("batch_input_shape") or first.get("batch_shape") or build_shape
        if nodes[0].inner:
            inner = nodes[0].inner
            shape = shape or (None, *next(node.shape for node in inner.nodes if node.name == inner.inputs[0]))  # type: ignore[misc]
        if not shape:
            raise InputError(
                f"{name!r} was never built, its input shape is unknown: call it on data, and save it again"
            )
        nodes.insert(0, Node("input", "InputLayer", shape=_shape("input", shape)))
    previous = Ref(nodes[0].name, 0, 0)
    chained = [nodes[0]]
    for node in nodes[1:]:
        chained.append(replace(node, calls=((previous,),)))
        previous = Ref(_called(node), 0, 0)
    return Graph(name, "Sequential", tuple(chained), (nodes[0].name,), (previous,))


def _functional(name: str, config: dict[str, Any], entries: list[Any], depth: int, strict: bool) -> Graph:
    nodes = []
    for entry in entries:
        node = _node(entry, depth, strict)
        calls = tuple(_call(node.name, call, strict) for call in entry.get("inbound_nodes", []))
        if node.class_name != "InputLayer" and not all(calls):
            raise InputError(f"layer {node.name!r} is called on nothing: save the model again")
        nodes.append(replace(node, calls=calls if node.class_name != "InputLayer" else ()))
    inputs = tuple(ref.layer for ref in _refs(config["input_layers"]))
    return _count_calls(Graph(name, "Functional", tuple(nodes), inputs, tuple(_refs(config["output_layers"]))))


def _count_calls(graph: Graph) -> Graph:
    """Count the calls of inner models from 0: Keras 2 counts the one that made the model, and does not list it."""
    refs = [ref for node in graph.nodes for call in node.calls for ref in call] + list(graph.outputs)
    early = {
        node.name: max((ref.call + 1 for ref in refs if ref.layer == node.name), default=0) - len(node.calls)
        for node in graph.nodes
        if node.inner
    }
    return graph.with_refs(lambda ref: ref._replace(call=ref.call - max(0, early.get(ref.layer, 0))))


def _called(node: Node) -> str:
    """The name that references to a node's output carry."""
    return f"quant_{node.name}" if node.wrapper else node.name


def _node(entry: dict[str, Any], depth: int, strict: bool) -> Node:
    class_name, config = entry["class_name"], entry["config"]
    if class_name in _MODELS:
        shape = (entry.get("build_config") or {}).get("input_shape")
        inner = parse_graph(class_name, config, shape, depth + 1, strict=strict)
        return Node(entry.get("name") or inner.name, class_name, inner=inner)
    name = str(entry.get("name") or config["name"])
    module = entry.get("module")
    if class_name == _QUANTIZE_LAYER:
        return Node(name, class_name)
    if class_name in _QUANTIZE_WRAPPERS:
        wrapped = _node(config["layer"], depth, strict)
        if name != f"quant_{wrapped.name}":
            raise InputError(
                f"quantized layer {name!r} is not named after its layer {wrapped.name!r}: keep TFMOT's names"
            )
        return replace(wrapped, wrapper=class_name)
    # Keras 3 writes operations such as `a + b` as classes too; only their module tells them from layers.
    layers = module in (None, "keras.layers", "keras.src.layers", "tf_keras.layers") or (
        isinstance(module, str) and module.startswith(("keras.src.layers.", "tf_keras.src.layers."))
    )
    if strict and not layers:
        raise CannotRebuildError(f"{name!r} is {module}.{class_name}")
    if strict and module is None and entry.get("registered_name") not in (None, class_name):
        raise CannotRebuildError(f"{name!r} is {entry['registered_name']}")
    options = plain_options(class_name, {**config, "name": name}, strict=strict)
    trainable = bool(config.get("trainable", True))
    if class_name != "InputLayer":
        return Node(name, class_name, options, trainable)
    return Node(name, class_name, shape=_shape(name, config.get("batch_shape") or config.get("batch_input_shape")))


def _shape(layer: str, batch_shape: Any) -> tuple[int | None, ...]:
    """The shape without the batch, which is left free."""
    if isinstance(batch_shape, dict):
        # SavedModel writes {"class_name": "TensorShape", "items": [...]}.
        batch_shape = batch_shape["items"]
    shape = tuple(batch_shape[1:])
    size = 1
    for length in shape:
        if length is not None and (type(length) is not int or length < 1):
            raise InputError(f"input {layer!r} has shape {batch_shape}: whole numbers from 1 are allowed")
        size *= length or 1
    if size > _LARGEST_INPUT:
        raise InputError(f"input {layer!r} has shape {batch_shape}: at most {_LARGEST_INPUT} numbers are allowed")
    return shape


def _call(layer: str, call: Any, strict: bool) -> tuple[Ref, ...]:
    """The tensors of one call, from either dialect."""
    if isinstance(call, dict):
        extra = {key: value for key, value in call.get("kwargs", {}).items() if value is not None}
        refs = tuple(_refs(call["args"]))
    else:
        extra = {}
        for item in call if isinstance(call[0], list) else [call]:
            extra |= {key: value for key, value in (item[3] if len(item) > 3 else {}).items() if value is not None}
        refs = tuple(_refs(call))
    extra.pop("training", None)
    if extra and strict:
        raise CannotRebuildError(f"layer {layer!r} is called with {sorted(extra)}")
    return refs


def _refs(value: Any) -> Iterator[Ref]:
    """Every tensor reference in a nested structure, in order."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            yield Ref(*value["config"]["keras_history"])
        else:
            for item in value.values():
                yield from _refs(item)
    elif isinstance(value, (list, tuple)):
        if len(value) >= 3 and isinstance(value[0], str):
            yield Ref(value[0], int(value[1]), int(value[2]))
        else:
            for item in value:
                yield from _refs(item)
