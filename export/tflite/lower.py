"""Operators that TensorFlow Lite's converter has no kernel for, or quantizes wrongly, as others that it has."""

from collections.abc import Callable, Sequence
from typing import Any

from edgepress.base.extras import require

__all__ = ["lower"]


def lower(graph_def: Any, outputs: Sequence[str]) -> Any:
    """The same graph without such operators; itself where it has none.

    Args:
        graph_def: A frozen graph.
        outputs: Its tensors that are asked for, such as `output_000:0`.

    Returns:
        A `GraphDef` with the same names at both ends.
    """
    if not any(node.op in _LOWERED for node in graph_def.node):
        return graph_def
    tf = require("tensorflow", extra="toolkit")
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(graph_def, name="")
        for op in [each for each in graph.get_operations() if each.type in _LOWERED]:
            made = _LOWERED[op.type](tf, op)
            if made is None:
                continue
            (old,) = op.outputs
            for reader in old.consumers():
                for place, tensor in enumerate(reader.inputs):
                    if tensor is old:
                        reader._update_input(place, made)
    names = [name.partition(":")[0] for name in outputs]
    inputs = [node.name for node in graph_def.node if node.op == "Placeholder"]
    return tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), [*names, *inputs])


def _pool(function: str) -> Callable[[Any, Any], Any]:
    """Over a volume first within each slice, then along the slices: the same largest and the same mean."""

    def lowered(tf: Any, op: Any) -> Any | None:
        (x,) = op.inputs
        window, steps = op.get_attr("ksize"), op.get_attr("strides")
        known = x.shape.rank == 5 and x.shape[1:].is_fully_defined()
        if not known or op.get_attr("data_format") != b"NDHWC" or window[0] != 1 or window[4] != 1:
            return None
        padding, pool = op.get_attr("padding").decode(), getattr(tf.nn, function)
        _, depth, height, width, channels = x.shape
        # The batch stays by itself: the runtime's check follows no other free size.
        slices = tf.reshape(tf.transpose(x, (0, 2, 3, 1, 4)), (-1, height, width, depth * channels))
        slices = pool(slices, window[2:4], steps[2:4], padding)
        _, height, width, _ = slices.shape
        lines = tf.reshape(slices, (-1, height * width, depth, channels))
        lines = pool(lines, (1, window[1]), (1, steps[1]), padding)
        volume = tf.reshape(lines, (-1, height, width, lines.shape[2], channels))
        return tf.transpose(volume, (0, 3, 1, 2, 4))

    return lowered


def _one_hot(tf: Any, op: Any) -> Any | None:
    """Quantized, the converter gives the value for "off" a zero point of its own, and the kernel copies its integer as
    it is: 0 becomes 0.5."""
    x, size, on, off = op.inputs
    known = [tf.get_static_value(each) for each in (size, on, off)]
    last = op.get_attr("axis") in (-1, x.shape.rank)
    if any(each is None for each in known) or not last or known[1] != 1 or known[2] != 0:
        return None
    return _is(tf, x, int(known[0]), on.dtype)


def _count(tf: Any, op: Any) -> Any | None:
    """How often each number is there, or whether it is: `DenseBincount` of rows, without weights."""
    x, size, weights = op.inputs
    known = _known(tf, size)
    if known is None or x.shape.rank != 2 or weights.shape.num_elements() != 0:
        return None
    found = _is(tf, x, known, weights.dtype)
    return tf.reduce_max(found, axis=1) if op.get_attr("binary_output") else tf.reduce_sum(found, axis=1)


def _is(tf: Any, x: Any, size: int, dtype: Any) -> Any:
    """1 where a number is the place in the last axis, 0 elsewhere."""
    same = tf.equal(tf.expand_dims(x, -1), tf.range(size, dtype=x.dtype))
    # Straight to floats, the converter would see through it and take ONE_HOT all the same.
    return tf.cast(tf.cast(same, tf.int32), dtype)


def _known(tf: Any, number: Any) -> int | None:
    """A number that stands in the graph, also where it is what is left of something that is clipped to it."""
    value = tf.get_static_value(number)
    if value is not None:
        return int(value)
    if number.op.type not in _CLIPS:
        return None
    for limit, other in (number.op.inputs, tuple(number.op.inputs)[::-1]):
        value = tf.get_static_value(limit)
        clips = other.op.type in _CLIPS and other.op.type != number.op.type
        if value is not None and clips and value in [tf.get_static_value(each) for each in other.op.inputs]:
            return int(value)
    return None


def _whole(tf: Any, op: Any) -> Any | None:
    """Integers that are made floats on their way, and integers again: as 8 bits of a float they would not be whole."""
    (x,), way = op.inputs, []
    while x.op.type in _SAME_NUMBERS:
        way.append(x.op)
        x = x.op.inputs[0]
    if not op.get_attr("DstT").is_integer or x.op.type != "Cast" or not x.op.get_attr("SrcT").is_integer:
        return None
    if not x.op.get_attr("DstT").is_floating:
        return None
    made = tf.cast(x.op.inputs[0], op.get_attr("DstT"))
    for step in reversed(way):
        made = _SAME_NUMBERS[step.type](tf, step, made)
    return made


_CLIPS = ("Maximum", "Minimum")
_SAME_NUMBERS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "ExpandDims": lambda tf, op, x: tf.expand_dims(x, op.inputs[1]),
    "Identity": lambda tf, op, x: x,
    "Reshape": lambda tf, op, x: tf.reshape(x, op.inputs[1]),
    "Squeeze": lambda tf, op, x: tf.squeeze(x, op.get_attr("squeeze_dims") or None),
}
"""Operators that only arrange numbers, done again with others."""
_LOWERED: dict[str, Callable[[Any, Any], Any | None]] = {
    "AvgPool3D": _pool("avg_pool2d"),
    "Cast": _whole,
    "DenseBincount": _count,
    "MaxPool3D": _pool("max_pool2d"),
    "OneHot": _one_hot,
}
"""Operator to what makes its output of others; None where it stays."""
