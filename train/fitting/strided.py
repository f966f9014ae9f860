"""Convolutions whose gradient TensorFlow computes into memory that is not its own.

With oneDNN, TensorFlow 2.21 corrupts the heap in the gradient of a convolution of one pixel (1x1) that steps over
pixels, as ResNet's and Xception's shortcuts are: for some sizes the process dies, for the others nobody knows. The same
function without that gradient: leave out the pixels that are stepped over, then convolve without stepping.
"""

from typing import Any

from edgepress.base.extras import require

from ..keras_file import inside

__all__ = ["step_before_convolving"]


def step_before_convolving(model: Any) -> int:
    """Let such layers of a model of either Keras compute the other way, wrapped and inner ones included.

    Weights, config and outputs stay what they are. Grouped convolutions are left: XLA compiles them, without oneDNN.

    Returns:
        How many layers there are.
    """
    tf_keras = require("tf_keras", extra="toolkit").layers
    kinds: list[Any] = [tf_keras.Conv1D, tf_keras.Conv2D, tf_keras.Conv3D]
    # Transposed convolutions are derived from the others, and go the other way.
    other = (tf_keras.Conv1DTranspose, tf_keras.Conv2DTranspose, tf_keras.Conv3DTranspose, tf_keras.SeparableConv1D,
             tf_keras.SeparableConv2D, tf_keras.DepthwiseConv1D, tf_keras.DepthwiseConv2D)  # fmt: skip
    model = inside(model)
    if not isinstance(model, require("tf_keras", extra="toolkit").Model):
        keras = require("keras", extra="toolkit")
        if keras.backend.backend() != "tensorflow":
            return 0
        kinds = [keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D]
    layers: list[Any] = list(model._flatten_layers())
    found = [
        layer
        for layer in layers
        if issubclass(type(layer), tuple(kinds)) and not issubclass(type(layer), other)
        if set(layer.kernel_size) == {1} and max(layer.strides) > 1 and layer.groups == 1
    ]
    for layer in found:
        layer.convolution_op = _convolution_after_stepping(layer)
    return len(found)


def _convolution_after_stepping(layer: Any) -> Any:
    tf = require("tensorflow", extra="toolkit")
    first = layer.data_format == "channels_first"
    kept = (..., *(slice(None, None, stride) for stride in layer.strides))
    # Keras 3 has no name of TensorFlow's for it.
    data_format = getattr(layer, "_tf_data_format", None)
    if data_format is None and first:
        data_format = {1: "NCW", 2: "NCHW", 3: "NCDHW"}[len(layer.strides)]

    def stepped(inputs: Any) -> Any:
        """Padding of either kind adds nothing to one pixel: the first one of every step is taken."""
        # A mean of one pixel is that pixel: ten times as fast as leaving them out of a tensor, forth and back. On a CPU
        # pools know channels that come last alone.
        return inputs[kept] if first else tf.nn.avg_pool(inputs, 1, layer.strides, "VALID")

    def convolve(inputs: Any, kernel: Any) -> Any:
        return tf.nn.convolution(stepped(inputs), kernel, padding="VALID", data_format=data_format)

    return convolve
