"""A model's graph, traced once: what every variant of it is converted from."""

from pathlib import Path
from typing import Any, NamedTuple

from edgepress.base.extras import require

from .lower import lower
from .one_scale import round_kernels

__all__ = ["Frozen", "freeze"]


class Frozen(NamedTuple):
    """What goes into a graph and comes out of it, in the order of the model's arguments."""

    inputs: tuple[str, ...]
    """Tensors of the graph, such as `input_000:0`."""
    outputs: tuple[str, ...]


def freeze(model: Any, path: Path, *, batch: int | None = None, one_scale: bool = False) -> Frozen:
    """Write the graph of a model with its weights as constants.

    An LSTM is a loop here, like every recurrent layer. As a SavedModel it would become one operator of TensorFlow
    Lite's, which keeps its state from one call to the next: a row's answer would depend on the row before.

    Args:
        model: tf-keras.
        path: The file, a serialized `GraphDef`.
        batch: How many examples a call takes; any number where None.
        one_scale: Whether kernels whose weights are multiples of one scale keep it (`round_kernels`).
    """
    tf = require("tensorflow", extra="toolkit")
    constants = require("tensorflow.python.framework.convert_to_constants", extra="toolkit")
    inputs = [
        tf.TensorSpec((batch, *tensor.shape[1:]), tensor.dtype, name=f"input_{i:03}")
        for i, tensor in enumerate(model.inputs)
    ]

    @tf.function(autograph=False)
    def forward(*tensors: Any) -> Any:
        given = model(list(tensors) if len(tensors) > 1 else tensors[0], training=False)
        listed = list(given) if isinstance(given, (list, tuple)) else [given]
        # A dictionary is put in the order of its names.
        return {f"output_{i:03}": tf.identity(each, f"output_{i:03}") for i, each in enumerate(listed)}

    frozen = constants.convert_variables_to_constants_v2(forward.get_concrete_function(*inputs))
    ends = Frozen(tuple(each.name for each in frozen.inputs), tuple(each.name for each in frozen.outputs))
    graph = lower(frozen.graph.as_graph_def(), ends.outputs)
    if one_scale:
        round_kernels(graph)
    path.write_bytes(graph.SerializeToString())
    return ends
