"""From a model to what is known of its channels."""

import math
from typing import Any

from ..walk import Call, calls_of, is_model
from .channels import Cost, Coupling, Ids
from .layers import RULES

__all__ = ["coupling_of"]


def coupling_of(model: Any) -> Coupling:
    """Follow the channels through a Sequential or functional model of Keras 3 or tf-keras.

    Those of its inputs and outputs stay, those that go into a model inside it or come out of one, and those that a
    layer of an unknown kind sees. Multiply-adds of the latter are taken for those of their kernels.

    Raises:
        InputError: Another kind of model.
    """
    coupling = Coupling()
    _follow(model, coupling, (), {})
    coupling.close()
    return coupling


_Seen = dict[int, tuple[list[Ids], list[Ids]]]


def _follow(model: Any, coupling: Coupling, within: tuple[str, ...], seen: _Seen) -> None:
    calls = calls_of(model, within)
    tensors = {id(tensor): _staying(coupling, tuple(tensor.shape[1:])) for tensor in calls.inputs}
    for call in calls.made:
        made = _made(call, [tensors[key] for key in call.inputs], coupling, seen)
        tensors |= zip(call.outputs, made, strict=True)
    for tensor in calls.outputs:
        coupling.keep(tensors[id(tensor)])


def _made(call: Call, given: list[Ids], coupling: Coupling, seen: _Seen) -> list[Ids]:
    """The channels of each output."""
    layer = call.layer
    again = bool(getattr(layer, "weights", None)) or call.kind == "Reshape"
    if again and id(layer) in seen:
        # Called before: the same weights see both.
        before, made = seen[id(layer)]
        variables = {id(variable) for variable in layer.weights}
        coupling.cuts = [cut._replace(tensor=None) if id(cut.variable) in variables else cut for cut in coupling.cuts]
        for earlier, later in zip(before, given, strict=True):
            coupling.tie(earlier, later)
        return made
    found = None
    if is_model(layer):
        _follow(layer, coupling, call.path, seen)
    elif call.kind in RULES and getattr(layer, "data_format", None) != "channels_first":
        found = RULES[call.kind](call, given, coupling)
    if found is None:
        for ids in given:
            coupling.keep(ids)
        if not is_model(layer):
            _stays_whole(call, coupling)
    made = [found] * len(call.outputs) if found is not None else [_staying(coupling, shape) for shape in call.made]
    seen[id(layer)] = (given, made)
    return made


def _stays_whole(call: Call, coupling: Coupling) -> None:
    coupling.whole["/".join(call.path)] = type(call.layer).__name__
    kernels = [variable for variable in getattr(call.layer, "weights", []) if len(variable.shape) > 1]
    coupling.costs.append(Cost(call.positions * sum(math.prod(kernel.shape) for kernel in kernels), ()))


def _staying(coupling: Coupling, shape: tuple[int | None, ...]) -> Ids:
    """Channels that no rule may let go. Shape without the batch."""
    made = coupling.new((shape[-1] if shape else 1) or 1)
    coupling.keep(made)
    return made
