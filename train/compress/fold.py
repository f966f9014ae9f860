"""Batch normalisation folded into the layer before it: the same function with fewer steps, as int8 runs it anyway."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..keras_file import graph_of, model_of
from ..keras_file.graph import Graph, Node, Ref

__all__ = ["fold_batch_norm"]

_FOLDABLE = {"Conv1D": "kernel", "Conv2D": "kernel", "Dense": "kernel", "DepthwiseConv2D": "depthwise_kernel"}


def fold_batch_norm(model: Any) -> Any:
    """The same tf-keras model for inference, each BatchNormalization after a linear layer merged into that layer.

    A unit's kernel is multiplied by gamma / sqrt(variance + epsilon), so zeros stay zero; a plain ReLU that follows
    becomes the layer's activation. A model without such pairs comes back as it is.
    """
    graph = graph_of(model)
    weights = {layer.name: [v.numpy() for v in layer.weights] for layer in model.layers}
    folded = False
    while pair := _next_pair(graph, "BatchNormalization"):
        layer, norm = pair
        weights[layer.name] = _merged(layer, norm, weights, model.get_layer(norm.name))
        options = {**layer.options, "use_bias": True}
        graph = _without(graph, replace(layer, options=options), norm)
        folded = True
    if not folded:
        return model
    while pair := _next_pair(graph, "ReLU"):
        layer, relu = pair
        graph = _without(graph, replace(layer, options={**layer.options, "activation": "relu"}), relu)
    return model_of(graph, weights)


def _next_pair(graph: Graph, follower: str) -> tuple[Node, Node] | None:
    """A linear layer and the follower that alone takes what it gives."""
    nodes = {node.name: node for node in graph.nodes}
    taken = [ref for node in graph.nodes for call in node.calls for ref in call] + list(graph.outputs)
    for node in graph.nodes:
        if node.class_name != follower or len(node.calls) != 1 or not _plain(node):
            continue
        (ref,) = node.calls[0]
        layer = nodes[ref.layer]
        linear = layer.options.get("activation", "linear") == "linear"
        if layer.class_name in _FOLDABLE and linear and len(layer.calls) == 1 and taken.count(ref) == 1:
            return layer, node
    return None


def _plain(node: Node) -> bool:
    """Whether the follower does nothing that its layer cannot do in its place."""
    if node.class_name == "ReLU":
        return not any(node.options.get(name) for name in ("max_value", "negative_slope", "threshold"))
    axis = node.options.get("axis", -1)
    # Channels last; Keras states the axis as -1 until the layer is built, as (3,) or the like afterwards.
    return axis == -1 or (isinstance(axis, tuple) and len(axis) == 1)


def _without(graph: Graph, layer: Node, follower: Node) -> Graph:
    """The graph with the changed layer, its follower bypassed."""
    gone = Ref(follower.name, 0, 0)
    nodes = tuple(layer if node.name == layer.name else node for node in graph.nodes if node.name != follower.name)
    return replace(graph, nodes=nodes).with_refs(lambda ref: Ref(layer.name, 0, 0) if ref == gone else ref)


def _merged(layer: Node, norm: Node, weights: dict[str, list[NDArray[Any]]], source: Any) -> list[NDArray[Any]]:
    """Kernel and bias of the layer with the normalisation in them."""
    kernel, *bias = (array.astype(np.float64) for array in weights[layer.name])
    mean, variance = source.moving_mean.numpy(), source.moving_variance.numpy()
    factor = 1 / np.sqrt(variance.astype(np.float64) + source.epsilon)
    if source.gamma is not None:
        factor = factor * source.gamma.numpy()
    offset = (bias[0] if bias else 0.0) - mean
    offset = offset * factor + (source.beta.numpy() if source.beta is not None else 0.0)
    # A depthwise kernel ends in (channels, multiplier), which the outputs run through in that order.
    by_output = factor.reshape(kernel.shape[-2:]) if layer.class_name == "DepthwiseConv2D" else factor
    return [(kernel * by_output).astype(np.float32), offset.astype(np.float32)]
