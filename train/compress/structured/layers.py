"""How channels go through each kind of layer: one function a kind of way, one row of a table a kind of layer.

A function takes a call, the channels of each of its inputs, and what is known so far; it gives those of its output, or
None where it does not know: then all channels that the call sees stay.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..walk import Call, kind_of
from .channels import Cost, Coupling, Cut, Ids, Setting, together

__all__ = ["RULES"]

Rule = Callable[[Call, list[Ids], Coupling], Ids | None]

_ELEMENTWISE = frozenset(
    {"linear", "relu", "relu6", "sigmoid", "hard_sigmoid", "log_sigmoid", "silu", "swish", "hard_silu", "hard_swish"}
    | {"tanh", "hard_tanh", "elu", "selu", "celu", "gelu", "mish", "softplus", "softsign", "exponential", "leaky_relu"}
    | {"squareplus", "tanh_shrink", "soft_shrink", "hard_shrink"}
)
"""Activations that take each number by itself; softmax compares channels."""
_KERAS = frozenset({"keras", "tf_keras", "tensorflow", "jax"})
_GATES = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}


def _passes(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    """Each channel by itself."""
    return given[0] if len(given) == 1 and call.plain and call.shape[-1] == len(given[0]) else None


def _activation(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    return _passes(call, given, coupling) if _is_elementwise(call.layer) else None


def _rescaling(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    single = all(np.ndim(getattr(call.layer, name)) == 0 for name in ("scale", "offset"))
    return _passes(call, given, coupling) if single else None


def _permutes(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    return _passes(call, given, coupling) if call.layer.dims[-1] == len(call.layer.dims) else None


def _averages(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    """A mean or the like over axes; over the channels' own it is none."""
    axes, rank = call.layer.axis, len(call.shapes[0]) + 1
    axes = axes if isinstance(axes, list | tuple) else [axes]
    inner = all(axis is not None and axis % rank not in (0, rank - 1) for axis in axes)
    return _passes(call, given, coupling) if inner else None


def _prelu(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    made, alpha = _passes(call, given, coupling), call.layer.alpha
    if made is not None and alpha.shape[-1] == len(made):
        coupling.cuts.append(Cut(alpha, -1, made, reads=False))
    return made


def _normalizes(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    axis = call.layer.axis
    axis = axis[0] if isinstance(axis, list | tuple) else axis
    if len(given) != 1 or axis not in (-1, len(call.shapes[0])):
        return None
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        if (variable := getattr(call.layer, name, None)) is not None:
            coupling.cuts.append(Cut(variable, 0, given[0], reads=False))
    return given[0]


def _adds(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    """Element by element: what meets in one channel leaves together."""
    if not call.plain or len({len(shape) for shape in call.shapes}) != 1:
        return None
    widest = max(given, key=len)
    for ids in given:
        if len(ids) == len(widest):
            coupling.tie(widest, ids)
        else:
            # One channel that meets all.
            coupling.keep(ids)
    return widest


def _joins(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    axis, rank = call.layer.axis, len(call.shapes[0]) + 1
    if axis % rank == rank - 1:
        return together(given)
    for ids in given[1:]:
        coupling.tie(given[0], ids)
    return given[0]


def _reshapes(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    """Where each row of the new last axis holds the same channels in the same order."""
    target = getattr(call.layer, "target_shape", None)
    shape = [length for length in call.shapes[0] if length is not None]
    open_ones = len(shape) < len(call.shapes[0]) or None in call.shape
    if open_ones or (target is None and call.kind != "Flatten"):
        return None
    rows = np.broadcast_to(given[0], shape).reshape(-1, call.shape[-1] or 1)
    if (rows != rows[0]).any():
        return None
    if target is not None and target[-1] != -1:
        coupling.settings.append(
            Setting(call.path, (*call.keys, "target_shape"), rows[0], lambda count: [*target[:-1], count])
        )
    return rows[0]


def _dense(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    layer = call.layer
    if len(given) != 1 or getattr(layer, "quantization_mode", None):
        return None
    units = coupling.new(layer.units)
    _reads(call, coupling, layer.kernel, given[0], units, "units")
    return units


def _convolution(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    layer, groups = call.layer, call.layer.groups
    if len(given) != 1 or getattr(layer, "quantization_mode", None):
        return None
    ids, filters = given[0], layer.filters
    if groups == len(ids) > 1:
        # Depthwise by another name: a channel takes its group with it.
        made = np.repeat(ids, filters // groups)
        coupling.cuts.append(Cut(layer.kernel, -1, made, reads=False))
        _ends(call, coupling, made, "filters")
        coupling.settings.append(Setting(call.path, (*call.keys, "groups"), ids, int))
        coupling.costs.append(Cost(call.positions * _size(layer.kernel), (made,)))
        return made
    made = coupling.new(filters)
    for each in (ids, made) if groups > 1 else ():
        # All groups stay as wide as one another.
        for row in each.reshape(groups, -1)[1:]:
            coupling.tie(each[: len(row)], row)
    _reads(call, coupling, layer.kernel, ids[: len(ids) // groups], made, "filters")
    return made


def _transposed(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    if len(given) != 1:
        return None
    kernel, made = call.layer.kernel, coupling.new(call.layer.filters)
    tensor = call.tensors[0] if call.tensors else None
    coupling.cuts += [Cut(kernel, -1, given[0], True, tensor), Cut(kernel, -2, made, reads=False)]
    _ends(call, coupling, made, "filters")
    # Every number that comes in is spread over the kernel's size.
    spread = call.times * int(np.prod([length or 1 for length in call.shapes[0][:-1]]))
    coupling.costs.append(Cost(spread * _size(kernel), (given[0], made)))
    return made


def _depthwise(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    if len(given) != 1:
        return None
    made = _by_channel(call, coupling, given[0])
    _ends(call, coupling, made)
    return made


def _separable(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    if len(given) != 1:
        return None
    between, made = _by_channel(call, coupling, given[0]), coupling.new(call.layer.filters)
    _reads(call, coupling, call.layer.pointwise_kernel, between, made, "filters", between=True)
    return made


def _recurrent(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    if len(given) != 1:
        # A state that comes from elsewhere.
        return None
    units = coupling.new(call.layer.units)
    _cell(call, coupling, call.layer, given[0], units, call.keys)
    return units


def _bidirectional(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    """Both ways have the same number of units: those of one number leave together."""
    layer, ways = call.layer, (call.layer.forward_layer, call.layer.backward_layer)
    kinds = {kind_of(way) for way in ways}
    alike = len(kinds) == 1 and kinds <= set(_GATES) and ways[0].units == ways[1].units
    if len(given) != 1 or not alike or not layer.merge_mode:
        return None
    units = coupling.new(ways[0].units)
    config = layer.get_config()
    for way, key in zip(ways, ("layer", "backward_layer"), strict=True):
        _cell(call, coupling, way, given[0], units, (*call.keys, key, "config") if key in config else None)
    return together([units, units]) if layer.merge_mode == "concat" else units


def _each_step(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    """The layer in a TimeDistributed."""
    inner, kind = call.layer.layer, kind_of(call.layer.layer)
    if kind not in RULES or len(given) != 1 or len(call.shape) < 2:
        return None
    shapes = (call.shapes[0][1:],)
    steps = Call(
        inner, kind, call.path, call.inputs, call.outputs, shapes, (call.shape[1:],), call.plain,
        (*call.keys, "layer", "config"), call.tensors, call.times * (call.shape[0] or 1),
    )  # fmt: skip
    return RULES[kind](steps, given, coupling)


def _looks_up(call: Call, given: list[Ids], coupling: Coupling) -> Ids | None:
    made = coupling.new(call.layer.output_dim)
    coupling.cuts.append(Cut(call.layer.embeddings, -1, made, reads=False))
    coupling.settings.append(Setting(call.path, (*call.keys, "output_dim"), made, int))
    return made


def _reads(
    call: Call, coupling: Coupling, kernel: Any, ids: Ids, made: Ids, setting: str, *, between: bool = False
) -> None:
    """A kernel (..., inputs, outputs) that sums over the call's input, or over what the layer makes of it before."""
    tensor = call.tensors[0] if call.tensors and len(ids) == call.shapes[0][-1] and not between else None
    coupling.cuts += [
        Cut(kernel, -2, ids, True, tensor, call.layer.bias), Cut(kernel, -1, made, reads=False)
    ]  # fmt: skip
    _ends(call, coupling, made, setting)
    coupling.costs.append(Cost(call.positions * _size(kernel), (ids, made)))


def _ends(call: Call, coupling: Coupling, made: Ids, setting: str = "") -> None:
    """Bias, activation, and how many outputs the config states."""
    layer = call.layer
    if layer.bias is not None:
        coupling.cuts.append(Cut(layer.bias, -1, made, reads=False))
    if setting:
        coupling.settings.append(Setting(call.path, (*call.keys, setting), made, int))
    if not _is_elementwise(layer):
        coupling.keep(made)


def _by_channel(call: Call, coupling: Coupling, ids: Ids) -> Ids:
    """A depthwise kernel (..., channels, multiplier)."""
    kernel = getattr(call.layer, "depthwise_kernel", None)
    kernel = call.layer.kernel if kernel is None else kernel
    coupling.cuts.append(Cut(kernel, -2, ids, reads=False))
    coupling.costs.append(Cost(call.positions * _size(kernel), (ids,)))
    return np.repeat(ids, call.layer.depth_multiplier)


def _cell(call: Call, coupling: Coupling, layer: Any, ids: Ids, units: Ids, keys: tuple[str, ...] | None) -> None:
    cell, gates = layer.cell, np.tile(units, _GATES[kind_of(layer)])
    tensor = call.tensors[0] if call.tensors else None
    coupling.cuts += [
        Cut(cell.kernel, 0, ids, True, tensor, cell.bias), Cut(cell.kernel, 1, gates, reads=False),
        Cut(cell.recurrent_kernel, 0, units, reads=True), Cut(cell.recurrent_kernel, 1, gates, reads=False),
    ]  # fmt: skip
    if cell.bias is not None:
        coupling.cuts.append(Cut(cell.bias, -1, gates, reads=False))
    if keys is not None:
        coupling.settings.append(Setting(call.path, (*keys, "units"), units, int))
    # Where a sequence goes in and one vector comes out, the steps are the input's.
    steps = call.times * (call.shapes[0][0] or 1)
    coupling.costs += [
        Cost(steps * _size(cell.kernel), (ids, units)), Cost(steps * _size(cell.recurrent_kernel), (units, units)),
    ]  # fmt: skip
    if not (_is_elementwise(layer) and _known(layer.recurrent_activation if gates.size > units.size else None)):
        coupling.keep(units)


def _size(kernel: Any) -> int:
    return int(np.prod(kernel.shape))


def _is_elementwise(layer: Any) -> bool:
    return _known(getattr(layer, "activation", None))


def _known(activation: Any) -> bool:
    if activation is None:
        return True
    ours = str(getattr(activation, "__module__", "")).split(".")[0] in _KERAS
    return ours and getattr(activation, "__name__", "") in _ELEMENTWISE


_RANKS = ("1D", "2D", "3D")
RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            "Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization", "RepeatVector",
            "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU", "Identity", "Relu", "Relu6", "Sigmoid", "HardSigmoid",
            "Silu", "HardSilu", "Tanh", "Gelu", "Elu", "LeakyRelu", "Softplus", "Square", "Absolute", "Negative", "Exp",
        ),
        _passes,
    ),
    **{
        f"{name}{rank}": _passes
        for rank in _RANKS
        for name in (
            "AveragePooling", "MaxPooling", "GlobalAveragePooling", "GlobalMaxPooling", "SpatialDropout", "ZeroPadding",
            "Cropping", "UpSampling",
        )
    },
    **dict.fromkeys(("Mean", "Max", "Sum"), _averages),
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"), _adds),
    **dict.fromkeys(_GATES, _recurrent),
    **{f"Conv{rank}": _convolution for rank in _RANKS},
    **{f"Conv{rank}Transpose": _transposed for rank in _RANKS},
    **{f"DepthwiseConv{rank}": _depthwise for rank in _RANKS},
    **{f"SeparableConv{rank}": _separable for rank in _RANKS},
    "Activation": _activation,
    "BatchNormalization": _normalizes,
    "Bidirectional": _bidirectional,
    "Concatenate": _joins,
    "Dense": _dense,
    "Embedding": _looks_up,
    "Flatten": _reshapes,
    "PReLU": _prelu,
    "Permute": _permutes,
    "Rescaling": _rescaling,
    "Reshape": _reshapes,
    "TimeDistributed": _each_step,
}  # fmt: skip
"""A kind of layer, or of operation, to its rule."""
