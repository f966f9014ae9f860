"""Convolutions whose gradient TensorFlow computes into memory that is not its own.

With oneDNN, TensorFlow 2.21 corrupts the heap in the gradient of a convolution of one pixel (1x1) that steps over
pixels, as ResNet's and Xception's shortcuts are: for some sizes the process dies, for the others nobody knows. The same
function without that gradient: leave out the pixels that are stepped over, then convolve without stepping.
"""

from typing import Any

from edgepress.base.extras import require

__all__ = ["step_before_convolving"]


def step_before_convolving(model: Any) -> int:
    """Let such layers of a tf-keras model compute the other way, wrapped and inner ones included.

    Weights, config and outputs stay what they are. Grouped convolutions are left: XLA compiles them, without oneDNN.

    Returns:
        How many layers there are.
    """
    layers = require("tf_keras", extra="toolkit").layers
    kinds = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
    # Transposed convolutions are derived from the others, and go the other way.
    other = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose, layers.SeparableConv1D,
             layers.SeparableConv2D, layers.DepthwiseConv1D, layers.DepthwiseConv2D)  # fmt: skip
    found = [
        layer
        for layer in model.submodules
        if isinstance(layer, kinds) and not isinstance(layer, other)
        if set(layer.kernel_size) == {1} and max(layer.strides) > 1 and layer.groups == 1
    ]
    for layer in found:
        layer.convolution_op = _convolution_after_stepping(layer)
    return len(found)


def _convolution_after_stepping(layer: Any) -> Any:
    tf = require("tensorflow", extra="toolkit")
    steps = tuple(slice(None, None, stride) for stride in layer.strides)
    # Padding of either kind adds nothing to one pixel: the first one of every step is taken.
    kept = (..., *steps) if layer.data_format == "channels_first" else (..., *steps, slice(None))
    data_format = layer._tf_data_format

    def convolve(inputs: Any, kernel: Any) -> Any:
        return tf.nn.convolution(inputs[kept], kernel, padding="VALID", data_format=data_format)

    return convolve
