"""The structural check of a `.tflite` file of unknown origin, before any native parser sees it.

Native parsers trust what they read: of random changes to a file, tflite-runtime 2.14 died of every fifth. The check
follows every offset, index, shape and size; where a file has operators that it does not know in that depth, it says so,
and the caller isolates the model instead.
"""

import math

import numpy as np

from edgepress.base.errors import ArtifactRefusedError, InputError

from .flatbuffer import verify_tflite_bounds
from .tflite_file import Operator, Subgraph, Tensor, TfliteFile, read_tflite, type_bits

__all__ = ["check_tflite"]

_MEMORY = 1 << 28
"""Bytes that all tensors of a file may take together; models for the edge take a thousandth."""
_SCHEMA_VERSION = 3


def check_tflite(content: bytes) -> tuple[TfliteFile, bool]:
    """Check a file's structure.

    Returns:
        The file, and whether the check vouches for it: False where it holds operators (or sparse tensors, or several
        graphs) that are not checked in depth, so that loading it needs isolation.

    Raises:
        ArtifactRefusedError: The file is damaged or malicious; the message names the part.
    """
    if content[4:8] != b"TFL3":
        raise InputError("not a .tflite file: its fifth to eighth bytes are not TFL3")
    verify_tflite_bounds(content)
    try:
        model = read_tflite(content)
    except ArtifactRefusedError:
        raise
    except InputError as error:
        raise ArtifactRefusedError(str(error)) from None
    if model.version != _SCHEMA_VERSION or not model.subgraphs:
        raise _refuse(f"schema version {model.version} with {len(model.subgraphs)} graphs")
    vouched = len(model.subgraphs) == 1
    for graph in model.subgraphs:
        _check_tensors(graph)
        _check_order(graph)
        for operator in graph.operators:
            vouched = _check_operator(operator, graph) and vouched
    for signature in model.signatures:
        _check_signature(signature.subgraph, [*signature.inputs.values(), *signature.outputs.values()], model)
    return model, vouched


def _refuse(what: str) -> ArtifactRefusedError:
    return ArtifactRefusedError(f"the .tflite file is unsafe: {what}; get it again from its source")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise _refuse(what)


def _check_signature(subgraph: int, tensors: list[int], model: TfliteFile) -> None:
    _require(subgraph < len(model.subgraphs), "a signature names a graph that is not there")
    count = len(model.subgraphs[subgraph].tensors)
    _require(all(index < count for index in tensors), "a signature names a tensor that is not there")


def _check_tensors(graph: Subgraph) -> None:
    total = 0
    for tensor in graph.tensors:
        what = f"tensor {tensor.index} ({tensor.name[:40]})"
        _require(len(tensor.shape) <= 8 and min(tensor.shape, default=1) >= 0, f"{what} has shape {tensor.shape}")
        _require(
            len(tensor.shape_signature) == len(tensor.shape)
            and all(s in (-1, n) for s, n in zip(tensor.shape_signature, tensor.shape, strict=True)),
            f"{what} has shape {tensor.shape} and signature {tensor.shape_signature}",
        )
        bits = type_bits(tensor.dtype)
        size = (math.prod(tensor.shape) * bits + 7) // 8
        total += size
        _require(total <= _MEMORY, f"its tensors take more than {_MEMORY // 10**6} MB")
        if tensor.is_constant and bits and not tensor.sparse:
            _require(len(tensor.data) == size, f"{what} of {size} bytes has {len(tensor.data)} in the file")
        _check_quantization(tensor, what)


def _check_quantization(tensor: Tensor, what: str) -> None:
    scales = tensor.scales
    if not len(scales):
        return
    _require(bool(np.all(np.isfinite(scales) & (scales > 0))), f"{what} has a scale that is not above 0 and finite")
    if len(scales) > 1:
        axis = tensor.quantized_dimension
        channels = tensor.shape[axis] if 0 <= axis < len(tensor.shape) else -1
        _require(len(scales) == channels, f"{what} of shape {tensor.shape} has {len(scales)} scales on axis {axis}")
    if tensor.dtype in ("int8", "uint8", "int16", "int32"):
        limits = np.iinfo(tensor.dtype)
        inside = (tensor.zero_points >= limits.min) & (tensor.zero_points <= limits.max)
        _require(bool(np.all(inside)), f"{what} has a zero point outside {tensor.dtype}")


def _check_order(graph: Subgraph) -> None:
    """Indices are there, and every tensor is known before it is used and made once."""
    count = len(graph.tensors)
    operators = [(o.inputs, o.outputs, o.intermediates) for o in graph.operators]
    indices = [*graph.inputs, *graph.outputs]
    for inputs, outputs, intermediates in operators:
        indices += [i for i in inputs if i != -1] + list(outputs) + [i for i in intermediates if i != -1]
    _require(all(0 <= index < count for index in indices), "an operator names a tensor that is not there")
    _require(bool(graph.inputs) and bool(graph.outputs), "it has no input or no output")
    known = {t.index for t in graph.tensors if t.is_constant or t.is_variable}
    _require(not known.intersection(graph.inputs), "an input is a constant")
    _require(len(set(graph.inputs)) == len(graph.inputs), "an input is named twice")
    known |= set(graph.inputs)
    for inputs, outputs, _ in operators:
        _require(known.issuperset(i for i in inputs if i != -1), "an operator uses a tensor before it is made")
        _require(not known.intersection(outputs), "a tensor is made twice")
        known |= set(outputs)
    _require(known.issuperset(graph.outputs), "an output is never made")


def _check_operator(operator: Operator, graph: Subgraph) -> bool:
    """Whether the operator is one that is checked in depth; refuses it where it is and is wrong."""
    if operator.is_custom or operator.name.startswith("BUILTIN_") or operator.name in ("DELEGATE", "PLACEHOLDER"):
        raise _refuse(f"operator {operator.name} is none of TensorFlow Lite's own")
    rule = _RULES.get(operator.name)
    tensors = [graph.tensors[i] if i >= 0 else None for i in operator.inputs]
    if rule is None or any(t is not None and (t.sparse or t.is_variable) for t in tensors) or operator.intermediates:
        return False
    least, most, kinds = rule
    if any(operator.options.get(name) for name in _UNCHECKED_OPTIONS):
        return False
    if operator.name in _OF_NUMBERS and any(tensor is not None and not tensor.is_constant for tensor in tensors[1:]):
        return False
    _require(
        least <= len(tensors) <= most
        and len(operator.outputs) == 1
        and all(tensor is not None for i, tensor in enumerate(tensors) if (most, i) != (3, _BIAS)),
        f"{operator.name} has {len(tensors)} inputs and {len(operator.outputs)} outputs",
    )
    present = [t for t in tensors if t is not None]
    result = graph.tensors[operator.outputs[0]]
    if any(tensor.dtype not in kinds for tensor in (*present[:1], result)):
        return False
    if any(-1 in tensor.shape_signature[1:] for tensor in (*present, result)):
        # Only the batch is free where shapes are followed.
        return False
    if any((tensor.scales < _SMALLEST_SCALE).any() for tensor in (*present, result)):
        return False
    for tensor in (*present[:1], result):
        if tensor.dtype in ("int8", "uint8", "int16"):
            _require(len(tensor.scales) == 1, f"{operator.name} on integers without a scale")
    _require(operator.options.get("FusedActivationFunction", 0) in range(6), f"{operator.name} has no such activation")
    check = _CHECKS.get(operator.name)
    if check is not None:
        check(operator, tensors, result)
    return True


def _bias_fits(operator: Operator, tensors: list[Tensor | None], units: int) -> None:
    bias = tensors[_BIAS] if len(tensors) > _BIAS else None
    if bias is not None:
        _require(bias.shape == (units,), f"{operator.name} of {units} units has bias {bias.shape}")
        _require(bias.dtype in ("float32", "int32", "int64"), f"{operator.name} has a bias of {bias.dtype}")


def _weights(operator: Operator, tensors: list[Tensor | None], rank: int) -> tuple[Tensor, Tensor]:
    x, weights = tensors[0], tensors[1]
    assert x is not None
    assert weights is not None
    _require(
        len(weights.shape) == rank and math.prod(weights.shape) > 0, f"{operator.name} has weights {weights.shape}"
    )
    _require(
        weights.dtype in ("float32", "int8", "uint8", "int4", "int2"), f"{operator.name} has weights of {weights.dtype}"
    )
    integers = x.dtype != "float32"
    _require(not integers or len(weights.scales) > 0, f"{operator.name} has integer weights without a scale")
    return x, weights


def _check_fully_connected(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    x, weights = _weights(operator, tensors, 2)
    units, width = weights.shape
    size = math.prod(x.shape)
    _require(size > 0 and size % width == 0, f"FULLY_CONNECTED of {width} inputs is given {x.shape}")
    _require(math.prod(result.shape) == size // width * units, f"FULLY_CONNECTED of {units} units gives {result.shape}")
    _require(operator.options.get("WeightsFormat", 0) == 0, "FULLY_CONNECTED has shuffled weights")
    _require(len(weights.scales) <= 1 or weights.quantized_dimension == 0, "FULLY_CONNECTED is scaled by inputs")
    _bias_fits(operator, tensors, units)


def _check_window(operator: Operator, x: Tensor, result: Tensor) -> None:
    options = operator.options
    _require(len(x.shape) == 4 == len(result.shape) and min(x.shape) > 0, f"{operator.name} on shape {x.shape}")
    _require(options.get("Padding", 0) in (0, 1), f"{operator.name} has no such padding")
    for name in ("StrideW", "StrideH", "DilationWFactor", "DilationHFactor", "FilterWidth", "FilterHeight"):
        if name in options:
            _require(1 <= options[name] <= 1 << 12, f"{operator.name} has {name} {options[name]}")
    _require("StrideW" in options, f"{operator.name} has no options")


def _check_conv(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    x, weights = _weights(operator, tensors, 4)
    _check_window(operator, x, result)
    units, *_, depth = weights.shape
    groups_fit = x.shape[3] % depth == 0 and units % max(1, x.shape[3] // depth) == 0
    _require(groups_fit, f"CONV_2D of {depth} channels is given {x.shape}")
    _require(result.shape[3] == units, f"CONV_2D of {units} units gives {result.shape}")
    _require(len(weights.scales) <= 1 or weights.quantized_dimension == 0, "CONV_2D is scaled by inputs")
    _bias_fits(operator, tensors, units)


def _check_depthwise(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    x, weights = _weights(operator, tensors, 4)
    _check_window(operator, x, result)
    one, *_, units = weights.shape
    multiplier = operator.options.get("DepthMultiplier", -1)
    fits = one == 1 and units % x.shape[3] == 0 and multiplier in (0, units // x.shape[3])
    _require(fits, f"DEPTHWISE_CONV_2D of {units} units is given {x.shape}")
    _require(result.shape[3] == units, f"DEPTHWISE_CONV_2D of {units} units gives {result.shape}")
    _require(len(weights.scales) <= 1 or weights.quantized_dimension == 3, "DEPTHWISE_CONV_2D is scaled by inputs")
    _bias_fits(operator, tensors, units)


def _check_pool(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    assert tensors[0] is not None
    _check_window(operator, tensors[0], result)
    _require("FilterWidth" in operator.options, f"{operator.name} has no options")


def _check_softmax(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    x = tensors[0]
    assert x is not None
    _require(1 <= len(x.shape) <= 4 and math.prod(x.shape) > 0, f"SOFTMAX on shape {x.shape}")
    beta = operator.options.get("Beta", 1.0)
    _require(math.isfinite(beta) and 0 < beta < 1e3, f"SOFTMAX has beta {beta}")
    _same_size(operator, tensors, result)


def _same_size(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    x = tensors[0]
    assert x is not None
    _require(math.prod(x.shape) == math.prod(result.shape), f"{operator.name} makes {result.shape} of {x.shape}")


def _check_mean(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    x, axes = tensors[0], tensors[1]
    assert x is not None
    assert axes is not None
    _require(min(x.shape, default=0) > 0, f"MEAN of shape {x.shape}")
    _require(axes.dtype == "int32" and len(axes.shape) <= 1, "MEAN over axes that are none")
    wanted = axes.values().reshape(-1).tolist()
    _require(all(-len(x.shape) <= axis < len(x.shape) for axis in wanted), f"MEAN over {wanted} of shape {x.shape}")


def _check_elementwise(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    a, b = tensors[0], tensors[1]
    assert a is not None
    assert b is not None
    _require(a.dtype == b.dtype == result.dtype, f"{operator.name} on {a.dtype} and {b.dtype}")
    _require(a.dtype == "float32" or len(b.scales) == 1, f"{operator.name} on integers without a scale")
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        shape = ()
    _require(len(shape) <= 4 and shape == result.shape, f"{operator.name} of {a.shape} and {b.shape}")


def _check_concatenation(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    rank = len(result.shape)
    axis = operator.options.get("Axis", 0)
    _require(-rank <= axis < rank <= 4 and operator.options.get("FusedActivationFunction", 0) == 0, f"axis {axis}")
    total = 0
    for tensor in tensors:
        assert tensor is not None
        same = len(tensor.shape) == rank and tensor.dtype == result.dtype
        _require(same, f"CONCATENATION of {tensor.dtype} {tensor.shape} makes {result.dtype} {result.shape}")
        _require(tensor.dtype == "float32" or len(tensor.scales) == 1, "CONCATENATION on integers without a scale")
        others = [n == m for i, (n, m) in enumerate(zip(tensor.shape, result.shape, strict=True)) if i != axis % rank]
        _require(all(others), f"CONCATENATION of {tensor.shape} makes {result.shape}")
        total += tensor.shape[axis]
    _require(total == result.shape[axis], f"CONCATENATION along {axis} makes {result.shape}")


def _check_reshape(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    _same_size(operator, tensors, result)
    if len(tensors) > 1:
        shape = tensors[1]
        assert shape is not None
        _require(shape.dtype == "int32" and len(shape.shape) == 1, "RESHAPE takes a shape that is none")
        wanted = shape.values().tolist()
        _require(
            len(wanted) == len(result.shape) and all(w in (-1, n) for w, n in zip(wanted, result.shape, strict=True)),
            f"RESHAPE to {wanted} makes {result.shape}",
        )


def _check_strided_slice(operator: Operator, tensors: list[Tensor | None], result: Tensor) -> None:
    x, *ranges = tensors
    assert x is not None
    rank = len(x.shape)
    _require("BeginMask" in operator.options, "STRIDED_SLICE has no options")
    for tensor in ranges:
        assert tensor is not None
        fits = tensor.dtype == "int32" and tensor.shape == (rank,)
        _require(fits, f"STRIDED_SLICE of {x.shape} takes a range of {tensor.dtype} {tensor.shape}")
    begins, ends, strides = (tensor.values().tolist() for tensor in ranges if tensor is not None)
    _require(0 < rank <= 5 and min(strides) >= 1, f"STRIDED_SLICE of {x.shape} has strides {strides}")
    shape = []
    for i, length in enumerate(x.shape):
        begin = None if operator.options["BeginMask"] >> i & 1 else begins[i]
        end = None if operator.options["EndMask"] >> i & 1 else ends[i]
        shape.append(len(range(*slice(begin, end, strides[i]).indices(length))))
    _require(result.dtype == x.dtype and result.shape == tuple(shape), f"STRIDED_SLICE of {x.shape} is {result.shape}")


_SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
"""XNNPACK's depthwise kernels crash on a scale that is no normal number."""
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
    "CONCATENATION": (1, 16, _REAL),
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
