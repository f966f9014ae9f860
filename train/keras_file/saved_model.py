"""A SavedModel that tf-keras wrote: its structure from the Keras metadata, its weights from the checkpoint.

The graph in the folder, which could do anything, is never loaded.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import InputError

from .graph import Graph, parse_graph
from .layers import CELLS
from .stored import RawModel, StoredLayer, StoredModel, parse_json

__all__ = ["find_saved_model", "read_saved_model"]

_LARGEST_METADATA = 64_000_000
_CONV = ("kernel", "bias")
_CELL = ("kernel", "recurrent_kernel", "bias")
_WEIGHTS = {
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "Conv1D": _CONV,
    "Conv2D": _CONV,
    "Conv2DTranspose": _CONV,
    "Dense": _CONV,
    "DepthwiseConv2D": ("depthwise_kernel", "bias"),
    "GRU": _CELL,
    "LSTM": _CELL,
    "LayerNormalization": ("gamma", "beta"),
    "Normalization": ("adapt_mean", "adapt_variance", "count"),
    "PReLU": ("alpha",),
    "SimpleRNN": _CELL,
    "SeparableConv2D": ("depthwise_kernel", "pointwise_kernel", "bias"),
}
"""The attributes that a layer keeps its weights in, in the order of its weights."""


def find_saved_model(path: Path) -> RawModel:
    """The config of a SavedModel folder.

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
    return RawModel(path, "savedmodel", "", _listed(parse_json(roots[0].metadata, path.name)))


def _listed(value: Any) -> Any:
    """Tuples and shapes as plain lists: in this format they are objects, which only its own reader knows."""
    if isinstance(value, dict):
        if value.get("class_name") in ("TensorShape", "__tuple__") and "items" in value:
            return _listed(value["items"])
        return {key: _listed(each) for key, each in value.items()}
    return [_listed(each) for each in value] if isinstance(value, list) else value


def read_saved_model(raw: RawModel) -> StoredModel:
    """The graph and the arrays of a SavedModel folder."""
    path, config = raw.path, raw.config
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
    return StoredModel(graph, dict(_layers(graph, _Checkpoint(reader, path), (), ())), size // 2, raw)


class _Checkpoint:
    """A checkpoint's arrays by attribute path: its object graph knows under which key each one lies."""

    def __init__(self, reader: Any, path: Path) -> None:
        messages = require("tensorflow.core.protobuf.trackable_object_graph_pb2", extra="toolkit")
        self._reader = reader
        try:
            graph = messages.TrackableObjectGraph.FromString(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
        except Exception as error:
            # protobuf's DecodeError has moved between its releases.
            raise InputError(f"{path} holds a damaged checkpoint ({error}): save the model again") from None
        self._nodes = graph.nodes

    def find(self, names: tuple[str, ...]) -> NDArray[Any] | None:
        """The array at the end of a path of attributes from the model on, or None."""
        node = self._nodes[0]
        for name in names:
            below = [child.node_id for child in node.children if child.local_name == name]
            if not below or not 0 <= below[0] < len(self._nodes):
                return None
            node = self._nodes[below[0]]
        keys = [attribute.checkpoint_key for attribute in node.attributes]
        return np.asarray(self._reader.get_tensor(keys[0])) if keys else None


def _layers(
    graph: Graph, checkpoint: _Checkpoint, prefix: tuple[str, ...], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], StoredLayer]]:
    """The checkpoint numbers the layers that have weights."""
    number = 0
    for node in graph.nodes:
        root = (*prefix, f"layer_with_weights-{number}")
        if node.inner:
            found = dict(_layers(node.inner, checkpoint, root, (*path, node.name)))
            yield from found.items()
            number += any(stored.arrays for stored in found.values())
        else:
            attributes = _WEIGHTS.get(node.class_name, ())
            below = (*root, "cell") if node.class_name in CELLS else root
            arrays = [checkpoint.find((*below, attribute)) for attribute in attributes]
            stored = StoredLayer([array for array in arrays if array is not None])
            yield (*path, node.name), stored
            number += bool(stored.arrays)
