"""Kernels whose weights are multiples of one scale keep it in a graph that brings its ranges.

With ranges in the graph the converter gives each channel its own scale, whatever it is told: sixteen shared values
become dozens of integers. A kernel that is rounded in the graph keeps the scale it is rounded to.
"""

from typing import Any

from edgepress.base.extras import require
from edgepress.train import is_whole

__all__ = ["round_kernels"]

_WEIGHED = ("Conv2D", "Conv3D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2")
"""Operations whose second input is a kernel, where it is a constant."""
_PASSED = ("Identity", "ExpandDims", "Reshape")


def round_kernels(graph: Any) -> None:
    """Let each kernel that a rounding to 127ths of its largest weight does not change go through it.

    Args:
        graph: A frozen `GraphDef`; it is changed.
    """
    tf = require("tensorflow", extra="toolkit")
    nodes = {node.name: node for node in graph.node}
    for node in list(graph.node):
        if node.op not in _WEIGHED:
            continue
        source = nodes[node.input[1].split(":")[0]]
        while source.op in _PASSED:
            source = nodes[source.input[0].split(":")[0]]
        if source.op != "Const":
            continue
        weights = tf.make_ndarray(source.attr["value"].tensor)
        largest = float(abs(weights).max(initial=0))
        if not largest or not is_whole(weights):
            continue
        rounded = graph.node.add(name=f"{node.name}/one_scale", op="FakeQuantWithMinMaxArgs", input=[node.input[1]])
        rounded.attr["min"].f, rounded.attr["max"].f = -largest, largest
        rounded.attr["num_bits"].i, rounded.attr["narrow_range"].b = 8, True
        node.input[1] = rounded.name
