"""A SavedModel that tf-keras wrote: its structure from the Keras metadata, its weights from the checkpoint.

The graph in the folder, which could do anything, is never loaded.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.runtime import InputError
from edgepress.runtime.extras import require

from .graph import Graph, parse_graph
from .stored import StoredLayer, StoredModel, parse_json

__all__ = ["read_saved_model"]

_LARGEST_METADATA = 64_000_000
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_ORDER = (
    "gamma", "beta", "depthwise_kernel", "pointwise_kernel", "kernel", "alpha", "bias", "moving_mean",
    "moving_variance",
)  # fmt: skip
"""Attributes of a layer in the order of its weights."""


def read_saved_model(path: Path) -> StoredModel:
    """Read a SavedModel folder.

    Raises:
        InputError: No SavedModel, or one without Keras' metadata.
    """
    if not (path / "saved_model.pb").is_file():
        raise InputError(f"{path} is a folder without saved_model.pb: name a .keras, .h5 or SavedModel")
    metadata = path / "keras_metadata.pb"
    if not metadata.is_file():
        raise InputError(f"{path} is a SavedModel without Keras' metadata: save the model as .keras with model.save()")
    if metadata.stat().st_size > _LARGEST_METADATA:
        raise InputError(f"{metadata} has {metadata.stat().st_size} bytes: at most {_LARGEST_METADATA} are allowed")
    messages = require("tf_keras.protobuf.saved_metadata_pb2", extra="toolkit")
    try:
        nodes = messages.SavedMetadata.FromString(metadata.read_bytes()).nodes
    except Exception as error:
        # protobuf's DecodeError has moved between its releases.
        raise InputError(f"{metadata} is damaged ({error}): save the model again") from None
    roots = [node for node in nodes if node.node_path == "root"]
    if not roots:
        raise InputError(f"{metadata} describes no model: save the model as .keras")
    config = parse_json(roots[0].metadata, path.name)
    shape = config.get("build_input_shape")
    graph = parse_graph(str(config.get("class_name")), config.get("config"), shape)
    if graph.quantized:
        raise InputError(f"{path} holds a quantization-aware model as SavedModel: save it as .keras")
    size = sum(file.stat().st_size for file in (path / "variables").glob("variables.data-*"))
    tf = require("tensorflow", extra="toolkit")
    try:
        reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    except (tf.errors.OpError, ValueError) as error:
        raise InputError(f"{path} holds a damaged checkpoint ({str(error)[:100]}): save the model again") from None
    shapes = reader.get_variable_to_shape_map()
    if 4 * sum(int(np.prod(item, dtype=object)) for item in shapes.values() if item) > 2 * size + 4096:
        raise InputError(f"{path}: its checkpoint declares more than its {size} bytes hold: save the model again")
    return StoredModel(graph, dict(_layers(graph, reader, shapes, "", ())), size // 2, "savedmodel", "")


def _layers(
    graph: Graph, reader: Any, shapes: dict[str, Any], prefix: str, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], StoredLayer]]:
    """The checkpoint numbers the layers that have weights."""
    number = 0
    for node in graph.nodes:
        root = f"{prefix}layer_with_weights-{number}/"
        if node.inner:
            found = dict(_layers(node.inner, reader, shapes, root, (*path, node.name)))
            yield from found.items()
            number += any(stored.arrays for stored in found.values())
            continue
        # A layer without weights takes no number: what stands there belongs to the next one that has some.
        names = [f"{root}{attribute}{_VALUE}" for attribute in _attributes(node.class_name, node.options)]
        names = [name for name in names if name in shapes]
        yield (*path, node.name), StoredLayer([reader.get_tensor(name) for name in names])
        number += bool(names)


def _attributes(class_name: str, options: dict[str, Any]) -> tuple[str, ...]:
    """The attributes that a layer of this class keeps its weights in."""
    used = {
        "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
        "LayerNormalization": ("gamma", "beta"),
        "DepthwiseConv2D": ("depthwise_kernel", "bias"),
        "SeparableConv2D": ("depthwise_kernel", "pointwise_kernel", "bias"),
        "PReLU": ("alpha",),
    }.get(class_name, ("kernel", "bias") if "units" in options or "filters" in options else ())
    return tuple(attribute for attribute in _ORDER if attribute in used)
