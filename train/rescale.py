"""A change of variables, folded into the first layers of a model: it takes z where it took z * std + mean."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .keras_file import CannotRebuildError, graph_of, model_of
from .keras_file.graph import Graph, Node, Ref

__all__ = ["CannotFoldError", "Change", "fold_change", "own_change"]

_PASSED = frozenset(
    {"AlphaDropout", "AveragePooling1D", "Dropout", "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D"}
    | {"GlobalMaxPooling1D", "MaxPooling1D", "SpatialDropout1D"}
)
"""Layers that can be taken before or after the change: they choose among steps of a channel, or take their mean."""
_SMALLEST_VARIANCE = 1e-14
"""Keras' Normalization divides by no less than the root of it."""


class CannotFoldError(Exception):
    """A layer that reads the input cannot take the change of variables into its weights."""


class Change(NamedTuple):
    """old = new * std + mean, along the last axis."""

    mean: NDArray[np.float64]
    """Shape (channels,)."""
    std: NDArray[np.float64]
    """Shape (channels,); above 0."""

    def repeated(self, times: int) -> "Change":
        """Of that many steps in a row."""
        return Change(np.tile(self.mean, times), np.tile(self.std, times))


_Weights = list[NDArray[Any]]
_Fold = Callable[[Node, _Weights, Any, Change], tuple[Node, _Weights]]


def fold_change(model: Any, changes: Mapping[str, Change]) -> Any:
    """The same function of the old numbers, as a tf-keras model that takes the new ones.

    Args:
        model: tf-keras, without quantizers.
        changes: By the input's name; others stay as they are.

    Raises:
        CannotFoldError: Other layers than Dense, BatchNormalization, Normalization, Rescaling and Conv1D without
            padding read such an input first.
    """
    graph = _graph(model)
    layers = {layer.name: layer for layer in model.layers}
    weights = {name: [variable.numpy() for variable in layer.weights] for name, layer in layers.items()}
    known: dict[Ref, Change | None] = {Ref(name, 0, 0): changes.get(name) for name in graph.inputs}
    nodes: dict[str, Node] = {}
    waiting = [node for node in graph.nodes if node.calls]
    while waiting:
        node = next(n for n in waiting if all(ref in known for call in n.calls for ref in call))
        waiting.remove(node)
        taken = [[known[ref] for ref in call] for call in node.calls]
        given: list[Change | None] = [None] * len(taken)
        if any(change is not None for call in taken for change in call):
            fold = _FOLDS.get(node.class_name)
            if fold is None:
                given = [_passed(node, layers[node.name], call) for call in taken]
            else:
                change = _one(node, taken)
                nodes[node.name], weights[node.name] = fold(node, weights[node.name], layers[node.name], change)
        known |= {Ref(node.name, call, 0): change for call, change in enumerate(given)}
    if any(known[ref] is not None for ref in graph.outputs):
        raise CannotFoldError("an input leaves the model unchanged")
    folded = replace(graph, nodes=tuple(nodes.get(node.name, node) for node in graph.nodes))
    folded, gone = _without_idle(folded)
    return model_of(folded, {name: arrays for name, arrays in weights.items() if name not in gone})


def own_change(model: Any, name: str) -> Change | None:
    """What a first Normalization layer states of an input: with it nothing of the layer is left.

    None where something else reads the input.
    """
    graph = _graph(model)
    readers = [node for node in graph.nodes if any(ref.layer == name for call in node.calls for ref in call)]
    if len(readers) != 1 or readers[0].class_name != "Normalization" or readers[0].options.get("invert"):
        return None
    layer = model.get_layer(readers[0].name)
    mean, variance = (np.asarray(v).astype(np.float64).reshape(-1) for v in (layer.mean, layer.variance))
    width = dict(zip(model.input_names, model.inputs, strict=True))[name].shape[-1]
    if mean.shape != (width,) or (variance < _SMALLEST_VARIANCE).any():
        return None
    return Change(mean, np.sqrt(variance))


def _graph(model: Any) -> Graph:
    try:
        return graph_of(model)
    except CannotRebuildError as error:
        raise CannotFoldError(str(error)) from None


def _one(node: Node, taken: list[list[Change | None]]) -> Change:
    """The change of all calls of a layer with weights: it has one set of them."""
    first = taken[0][0]
    for call in taken:
        change = call[0]
        if first is None or change is None or not all(map(np.array_equal, first, change)):
            raise CannotFoldError(f"layer {node.name} is shared by inputs of several kinds")
    assert first is not None
    return first


def _passed(node: Node, layer: Any, taken: list[Change | None]) -> Change:
    """The change behind a layer without weights."""
    change = taken[0]
    if node.class_name == "Concatenate" and node.options.get("axis", -1) in (-1, len(layer.output_shape) - 1):
        shapes = layer.input_shape if isinstance(layer.input_shape, list) else [layer.input_shape]
        parts = [
            Change(np.zeros(shape[-1]), np.ones(shape[-1])) if part is None else part
            for part, shape in zip(taken, shapes, strict=True)
        ]
        return Change(*(np.concatenate([part[i] for part in parts]) for i in (0, 1)))
    if change is None or len(taken) > 1:
        raise CannotFoldError(f"layer {node.name} ({node.class_name}) reads it")
    if node.class_name in _PASSED and node.options.get("padding", "valid") == "valid":
        return change
    if node.class_name in ("Flatten", "Reshape"):
        before, after = tuple(layer.input_shape[1:]), tuple(layer.output_shape[1:])
        if None in before or None in after:
            raise CannotFoldError(f"layer {node.name} ({node.class_name}) leaves sizes open")
        whole = change.repeated(int(np.prod(before)) // before[-1])
        rows = [values.reshape(-1, after[-1]) for values in whole]
        if all((values == values[:1]).all() for values in rows):
            return Change(rows[0][0], rows[1][0])
    raise CannotFoldError(f"layer {node.name} ({node.class_name}) reads it")


def _biased(node: Node) -> Node:
    return replace(node, options={**node.options, "use_bias": True})


def _linear(node: Node, weights: _Weights, layer: Any, change: Change) -> tuple[Node, _Weights]:
    """Dense, and Conv1D whose windows lie inside the signal: the kernel's axis before the last runs over channels."""
    if node.class_name == "Conv1D" and (
        node.options.get("padding", "valid") != "valid" or node.options.get("groups", 1) != 1
    ):
        raise CannotFoldError(f"layer {node.name} (Conv1D) adds zeros beside the signal, or has groups")
    kernel, *bias = (array.astype(np.float64) for array in weights)
    moved = (kernel * change.mean[:, None]).reshape(-1, kernel.shape[-1]).sum(axis=0)
    offset = moved + (bias[0] if bias else 0.0)
    return _biased(node), [(kernel * change.std[:, None]).astype(np.float32), offset.astype(np.float32)]


def _batch_norm(node: Node, weights: _Weights, layer: Any, change: Change) -> tuple[Node, _Weights]:
    _last_axis(node, layer)
    mean, variance = (v.numpy().astype(np.float64) for v in (layer.moving_mean, layer.moving_variance))
    gamma = np.ones_like(mean) if layer.gamma is None else layer.gamma.numpy().astype(np.float64)
    beta = np.zeros_like(mean) if layer.beta is None else layer.beta.numpy()
    arrays = [gamma * change.std, beta, (mean - change.mean) / change.std, variance]
    options = {**node.options, "center": True, "scale": True}
    return replace(node, options=options), [array.astype(np.float32) for array in arrays]


def _normalization(node: Node, weights: _Weights, layer: Any, change: Change) -> tuple[Node, _Weights]:
    if node.options.get("invert"):
        raise CannotFoldError(f"layer {node.name} (Normalization) inverts")
    _last_axis(node, layer)
    mean, variance = (np.asarray(v).astype(np.float64).reshape(-1) for v in (layer.mean, layer.variance))
    return _scaled(node, 1 / np.sqrt(np.maximum(variance, _SMALLEST_VARIANCE)), mean, change), []


def _rescaling(node: Node, weights: _Weights, layer: Any, change: Change) -> tuple[Node, _Weights]:
    scale = np.broadcast_to(np.asarray(layer.scale, np.float64), change.mean.shape)
    if not scale.all():
        raise CannotFoldError(f"layer {node.name} (Rescaling) multiplies by 0")
    return _scaled(node, scale, -np.asarray(layer.offset, np.float64) / scale, change), []


def _scaled(node: Node, scale: NDArray[np.float64], mean: NDArray[np.float64], change: Change) -> Node:
    """(old - mean) * scale as a Rescaling of the new numbers."""
    factor, offset = scale * change.std, (change.mean - mean) * scale
    options = {"scale": tuple(factor.tolist()), "offset": tuple(np.broadcast_to(offset, factor.shape).tolist())}
    return Node(node.name, "Rescaling", options, node.trainable, calls=node.calls)


def _last_axis(node: Node, layer: Any) -> None:
    axis = layer.axis
    axes = [axis] if isinstance(axis, int) else list(axis or [])
    rank = len(layer.input_shape)
    if [each % rank for each in axes] != [rank - 1]:
        raise CannotFoldError(f"layer {node.name} ({node.class_name}) has its statistics along another axis")


def _without_idle(graph: Graph) -> tuple[Graph, set[str]]:
    """The graph without Rescaling layers that have nothing left to do, and their names."""
    idle = {
        node.name: node
        for node in graph.nodes
        if node.class_name == "Rescaling"
        and np.allclose(node.options.get("scale", 1.0), 1.0, rtol=1e-6, atol=0)
        and np.allclose(node.options.get("offset", 0.0), 0.0, rtol=0, atol=1e-6)
    }
    bypassed = {Ref(name, call, 0): refs[0] for name, node in idle.items() for call, refs in enumerate(node.calls)}

    def follow(ref: Ref) -> Ref:
        while ref in bypassed:
            ref = bypassed[ref]
        return ref

    nodes = tuple(node for node in graph.nodes if node.name not in idle)
    return replace(graph, nodes=nodes).with_refs(follow), set(idle)


_FOLDS: dict[str, _Fold] = {
    "BatchNormalization": _batch_norm,
    "Conv1D": _linear,
    "Dense": _linear,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
}
