"""The structural check of a `.tflite` file's operators: those followed in depth, and those that nothing has."""

import math

import numpy as np

from edgepress.base.errors import ArtifactRefusedError, Refusal

from .tflite_file import Operator, Subgraph, Tensor

__all__ = ["check_operator", "refuse", "ensure"]


def refuse(what: str) -> ArtifactRefusedError:
    """The error for a file that is damaged or made to harm."""
    return ArtifactRefusedError(f"the .tflite file is unsafe: {what}; get it again from its source")


def ensure(condition: bool, what: str) -> None:
    """Raise ArtifactRefusedError where the condition does not hold."""
    if not condition:
        raise refuse(what)


def check_operator(operator: Operator, graph: Subgraph) -> bool:
    """Whether the operator is one that is checked in depth; refuses it where it is and is wrong."""
    _check_known(operator)
    rule = _RULES.get(operator.name)
    tensors = [graph.tensors[i] if i >= 0 else None for i in operator.inputs]
    if rule is None or any(t is not None and (t.sparse or t.is_variable) for t in tensors) or operator.intermediates:
        return False
    least, most, kinds = rule
    if any(operator.options.get(name) for name in _UNCHECKED_OPTIONS):
        return False
    if operator.name in _OF_NUMBERS and any(tensor is not None and not tensor.is_constant for tensor in tensors[1:]):
        return False
    ensure(
        least <= len(tensors) <= most
        and len(operator.outputs) == 1
        and all(tensor is not None for i, tensor in enumerate(tensors) if (most, i) != (3, _BIAS)),
        f"{operator.name} has {len(tensors)} inputs and {len(operator.outputs)} outputs",
    )
    present = [t for t in tensors if t is not None]
    result = graph.tensors[operator.outputs[0]]
    if any(tensor.dtype not in kinds for tensor in (*present[:1], result)):
        return False
    if any(len(tensor.shape) > _MOST_SIZES for tensor in (*present[:1], result)):
        # Volumes and groups of channels: their sizes are not followed.
        return False
    if any(-1 in tensor.shape_signature[1:] for tensor in (*present, result)):
        # Only the batch is free where shapes are followed.
        return False
    if operator.name == "RESHAPE" and _joins_batch(present[0], result):
        return False
    if any((tensor.scales < _SMALLEST_SCALE).any() for tensor in (*present, result)):
        return False
    if any(tensor.is_constant and len(tensor.scales) > 1 for tensor in present[:1]):
        # A stored weight with a scale a channel, which is dequantized as the model runs.
        return False
    for tensor in (*present[:1], result):
        if tensor.dtype in ("int8", "uint8", "int16"):
            ensure(len(tensor.scales) == 1, f"{operator.name} on integers without a scale")
    ensure(operator.options.get("FusedActivationFunction", 0) in range(6), f"{operator.name} has no such activation")
    check = _CHECKS.get(operator.name)
    if check is not None:
        check(operator, tensors, result)
    return True


def _joins_batch(x: Tensor, result: Tensor) -> bool:
    """Whether steps become examples of a free batch, or the other way: the stored shapes say one of each.

    `TimeDistributed` layers are converted so.
    """
    free = all(tensor.shape_signature[:1] == (-1,) for tensor in (x, result))
    return free and math.prod(x.shape[1:]) != math.prod(result.shape[1:])


def _check_known(operator: Operator) -> None:
    """Refuse an operator that no interpreter here has, with the reason."""
    name = operator.name[:60]
    if operator.name.startswith(_ACCELERATED) or operator.name == "DELEGATE":
        raise ArtifactRefusedError(
            f"the .tflite file is compiled for an accelerator (operator {name}), which nothing here can drive: "
            "take the file that it was compiled from",
            Refusal.ACCELERATOR,
        )
    if operator.is_custom and operator.name.startswith("Flex"):
        raise ArtifactRefusedError(
            f"the .tflite file has TensorFlow's own operator {name.removeprefix('Flex')} (Select TF ops), which no "
            "backend here has: convert it with TensorFlow Lite's own operators alone",
            Refusal.NEEDS_SELECT_TF,
        )
    if operator.is_custom and operator.name not in _CUSTOM:
        raise ArtifactRefusedError(
            f"the .tflite file has the custom operator {name}, which no backend here has: convert it without",
            Refusal.UNKNOWN_OPERATOR,
        )
    if operator.name.startswith("BUILTIN_") or operator.name.startswith("PLACEHOLDER"):
        raise ArtifactRefusedError(
            f"the .tflite file has operator {name}, which this edgepress does not know: update edgepress, or "
            "get the file again where it should be an old one",
            Refusal.UNKNOWN_OPERATOR,
        )


def _bias_fits(operator: Operator, tensors: list[Tensor | None], units: int) -> None:
    bias = tensors[_BIAS] if len(tensors) > _BIAS else None
    if bias is not None:
        ensure(bias.shape == (units,), f"{operator.name} of {units} units has bias {bias.shape}")
        ensure(bias.dtype in ("float32", "int32", "int64"), f"{operator.name} has a bias of {bias.dtype}")


def _weights(operator: Operator, tensors: list[Tensor | None], rank: int) -> tuple[Tensor, Tensor]:
    x, weights = tensors[0], tensors[1]
    assert x is not None
    assert weights is not None
    ensure(len(weights.shape) == rank and math.prod(weights.shape) > 0, f"{operator.name} has weights {weights.shape}")
    ensure(
        weights.dtype in ("float32", "int8", "uint8", "int4", "int2"), f"{operator.name} has weights of {weights.dtype}"
    )
    integers = x.dtype != "float32"
    ensure(not integers or len(weights.scales) > 0, f"{operator.name} has integer weights without a scale")
    return x, weights


def _check_fully_connected(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    x, weights = _weights(operator, tensors, 2)
    units, width = weights.shape
    size = math.prod(x.shape)
    ensure(size > 0 and size % width == 0, f"FULLY_CONNECTED of {width} inputs is given {x.shape}")
    ensure(math.prod(result.shape) == size // width * units, f"FULLY_CONNECTED of {units} units gives {result.shape}")
    ensure(operator.options.get("WeightsFormat", 0) == 0, "FULLY_CONNECTED has shuffled weights")
    ensure(len(weights.scales) <= 1 or weights.quantized_dimension == 0, "FULLY_CONNECTED is scaled by inputs")
    _bias_fits(operator, tensors, units)


def _check_window(operator: Operator, x: Tensor, result: Tensor) -> None:
    options = operator.options
    ensure(len(x.shape) == 4 == len(result.shape) and min(x.shape) > 0, f"{operator.name} on shape {x.shape}")
    ensure(options.get("Padding", 0) in (0, 1), f"{operator.name} has no such padding")
    for name in ("StrideW", "StrideH", "DilationWFactor", "DilationHFactor", "FilterWidth", "FilterHeight"):
        if name in options:
            ensure(1 <= options[name] <= 1 << 12, f"{operator.name} has {name} {options[name]}")
    ensure("StrideW" in options, f"{operator.name} has no options")


def _check_conv(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    x, weights = _weights(operator, tensors, 4)
    _check_window(operator, x, result)
    units, *_, depth = weights.shape
    groups_fit = x.shape[3] % depth == 0 and units % max(1, x.shape[3] // depth) == 0
    ensure(groups_fit, f"CONV_2D of {depth} channels is given {x.shape}")
    ensure(result.shape[3] == units, f"CONV_2D of {units} units gives {result.shape}")
    ensure(len(weights.scales) <= 1 or weights.quantized_dimension == 0, "CONV_2D is scaled by inputs")
    _bias_fits(operator, tensors, units)


def _check_depthwise(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    x, weights = _weights(operator, tensors, 4)
    _check_window(operator, x, result)
    one, *_, units = weights.shape
    multiplier = operator.options.get("DepthMultiplier", -1)
    fits = one == 1 and units % x.shape[3] == 0 and multiplier in (0, units // x.shape[3])
    ensure(fits, f"DEPTHWISE_CONV_2D of {units} units is given {x.shape}")
    ensure(result.shape[3] == units, f"DEPTHWISE_CONV_2D of {units} units gives {result.shape}")
    ensure(len(weights.scales) <= 1 or weights.quantized_dimension == 3, "DEPTHWISE_CONV_2D is scaled by inputs")
    _bias_fits(operator, tensors, units)


def _check_pool(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    assert tensors[0] is not None
    _check_window(operator, tensors[0], result)
    ensure("FilterWidth" in operator.options, f"{operator.name} has no options")


def _check_softmax(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    x = tensors[0]
    assert x is not None
    ensure(1 <= len(x.shape) <= 4 and math.prod(x.shape) > 0, f"SOFTMAX on shape {x.shape}")
    beta = operator.options.get("Beta", 1.0)
    ensure(math.isfinite(beta) and 0 < beta < 1e3, f"SOFTMAX has beta {beta}")
    _same_size(operator, tensors, result)


def _same_size(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    x = tensors[0]
    assert x is not None
    ensure(math.prod(x.shape) == math.prod(result.shape), f"{operator.name} makes {result.shape} of {x.shape}")


def _check_mean(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    x, axes = tensors[0], tensors[1]
    assert x is not None
    assert axes is not None
    ensure(min(x.shape, default=0) > 0, f"MEAN of shape {x.shape}")
    ensure(axes.dtype == "int32" and len(axes.shape) <= 1, "MEAN over axes that are none")
    wanted = axes.values().reshape(-1).tolist()
    ensure(all(-len(x.shape) <= axis < len(x.shape) for axis in wanted), f"MEAN over {wanted} of shape {x.shape}")


def _check_elementwise(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    a, b = tensors[0], tensors[1]
    assert a is not None
    assert b is not None
    ensure(a.dtype == b.dtype == result.dtype, f"{operator.name} on {a.dtype} and {b.dtype}")
    ensure(a.dtype == "float32" or len(b.scales) == 1, f"{operator.name} on integers without a scale")
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        shape = ()
    ensure(shape == result.shape, f"{operator.name} of {a.shape} and {b.shape}")


def _check_concatenation(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    rank = len(result.shape)
    axis = operator.options.get("Axis", 0)
    ensure(-rank <= axis < rank and operator.options.get("FusedActivationFunction", 0) == 0, f"axis {axis}")
    total = 0
    for tensor in tensors:
        assert tensor is not None
        same = len(tensor.shape) == rank and tensor.dtype == result.dtype
        ensure(same, f"CONCATENATION of {tensor.dtype} {tensor.shape} makes {result.dtype} {result.shape}")
        ensure(tensor.dtype == "float32" or len(tensor.scales) == 1, "CONCATENATION on integers without a scale")
        others = [n == m for i, (n, m) in enumerate(zip(tensor.shape, result.shape, strict=True)) if i != axis % rank]
        ensure(all(others), f"CONCATENATION of {tensor.shape} makes {result.shape}")
        total += tensor.shape[axis]
    ensure(total == result.shape[axis], f"CONCATENATION along {axis} makes {result.shape}")


def _check_reshape(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    _same_size(operator, tensors, result)
    if len(tensors) > 1:
        shape = tensors[1]
        assert shape is not None
        ensure(shape.dtype == "int32" and len(shape.shape) == 1, "RESHAPE takes a shape that is none")
        wanted = shape.values().tolist()
        ensure(
            len(wanted) == len(result.shape) and all(w in (-1, n) for w, n in zip(wanted, result.shape, strict=True)),
            f"RESHAPE to {wanted} makes {result.shape}",
        )


def _check_strided_slice(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    x, *ranges = tensors
    assert x is not None
    rank = len(x.shape)
    ensure("BeginMask" in operator.options, "STRIDED_SLICE has no options")
    for tensor in ranges:
        assert tensor is not None
        fits = tensor.dtype == "int32" and tensor.shape == (rank,)
        ensure(fits, f"STRIDED_SLICE of {x.shape} takes a range of {tensor.dtype} {tensor.shape}")
    begins, ends, strides = (tensor.values().tolist() for tensor in ranges if tensor is not None)
    ensure(0 < rank <= _MOST_SIZES and min(strides) >= 1, f"STRIDED_SLICE of {x.shape} has strides {strides}")
    shape = []
    for i, length in enumerate(x.shape):
        begin = None if operator.options["BeginMask"] >> i & 1 else begins[i]
        end = None if operator.options["EndMask"] >> i & 1 else ends[i]
        shape.append(len(range(*slice(begin, end, strides[i]).indices(length))))
    ensure(result.dtype == x.dtype and result.shape == tuple(shape), f"STRIDED_SLICE of {x.shape} is {result.shape}")


_CUSTOM = ("AudioSpectrogram", "Mfcc", "NumericVerify", "TFLite_Detection_PostProcess")
"""Custom operators that TensorFlow Lite's interpreters bring (tflite/core/kernels/register.cc)."""
_ACCELERATED = ("edgetpu-custom-op", "ethos-u", "ethosu", "vsi-npu", "QNN", "DISPATCH_OP", "hexagon")
"""What the names begin with of graphs compiled for other processors: Coral's, Arm's, ..."""
_SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
"""XNNPACK's depthwise kernels crash on a scale that is no normal number."""
_MOST_SIZES = 4
"""A tensor's rank up to which operators are followed."""
_BIAS = 2
"""Which of three inputs may be left out."""
_OF_NUMBERS = ("MEAN", "RESHAPE", "STRIDED_SLICE")
"""Beyond the first input the numbers themselves are checked: a graph that computes them is not followed."""
_UNCHECKED_OPTIONS = ("EllipsisMask", "NewAxisMask", "ShrinkAxisMask", "Offset")
"""Of STRIDED_SLICE: what they do is not followed."""
_REAL = ("float32", "int8", "uint8", "int16")
_ANY = ("float32", "float16", "int8", "uint8", "int16", "int32")
# Fewest and most inputs, and the types of the first input and of the output.
_RULES: dict[str, tuple[int, int, tuple[str, ...]]] = {
    "ADD": (2, 2, _REAL),
    "AVERAGE_POOL_2D": (1, 1, _REAL),
    "CONCATENATION": (1, 4096, _REAL),
    "CONV_2D": (2, 3, _REAL),
    "DEPTHWISE_CONV_2D": (2, 3, _REAL),
    "DEQUANTIZE": (1, 1, _ANY),
    "FULLY_CONNECTED": (2, 3, _REAL),
    "LOGISTIC": (1, 1, _REAL),
    "MAX_POOL_2D": (1, 1, _REAL),
    "MEAN": (2, 2, _REAL),
    "MUL": (2, 2, _REAL),
    "QUANTIZE": (1, 1, _ANY),
    "RELU": (1, 1, _REAL),
    "RELU6": (1, 1, _REAL),
    "RESHAPE": (1, 2, _ANY),
    "SOFTMAX": (1, 1, _REAL),
    "STRIDED_SLICE": (4, 4, _REAL),
    "TANH": (1, 1, _REAL),
}
_CHECKS = {
    "ADD": _check_elementwise,
    "AVERAGE_POOL_2D": _check_pool,
    "CONCATENATION": _check_concatenation,
    "CONV_2D": _check_conv,
    "DEPTHWISE_CONV_2D": _check_depthwise,
    "DEQUANTIZE": _same_size,
    "FULLY_CONNECTED": _check_fully_connected,
    "LOGISTIC": _same_size,
    "MAX_POOL_2D": _check_pool,
    "MEAN": _check_mean,
    "MUL": _check_elementwise,
    "QUANTIZE": _same_size,
    "RELU": _same_size,
    "RELU6": _same_size,
    "RESHAPE": _check_reshape,
    "SOFTMAX": _check_softmax,
    "STRIDED_SLICE": _check_strided_slice,
    "TANH": _same_size,
}
