"""Which layers lose most zeros and bits: those where that changes the model's outputs least, measured on examples.

Each layer is damaged alone, level by level, all others whole. Damages of several are taken to add up, as those of small
independent errors do (Zhou et al. 2018, "Adaptive Quantization for Deep Neural Network"), and the layer goes a level
further whose outputs suffer least for each weight, or bit, that is won, until enough is won for the model as a whole.
"""

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import InputError

from .callback import compiled
from .compression import array_of, outputs_of
from .grid import clipping, rounded
from .kernels import Kernel, kernels_of
from .patterns import largest
from .scheme import BITS, MEASURED, Scheme

__all__ = ["EXAMPLES", "allocated", "measured", "measured_bits", "measured_sparsity", "stated"]

EXAMPLES = 128
"""So many are enough: what is asked is an order of layers."""
_BATCH = 64
_SHARES = (0.0, 0.4, 0.6, 0.8, 0.9, 0.95)
_Change = Callable[[Kernel, NDArray[np.float32], float], NDArray[np.float32]]


def stated(asked: Mapping[str, Any]) -> Scheme:
    """What is asked for in fields of `Scheme`, as it is before layers are measured: with `scope="measured"`, and
    `weight_bits` between 8, 4 and 2.

    Raises:
        InputError: A field that there is not, or a value outside its range.
    """
    plain, bits = dict(asked), asked.get("weight_bits", 0)
    if asked.get("scope") == MEASURED:
        if asked.get("pruning") == "2:4":
            raise InputError("compression scope 'measured': allowed is layer or model where pruning is 2:4")
        plain["scope"] = "layer"
    between = isinstance(bits, int | float) and bits not in BITS and min(BITS) < bits < max(BITS)
    if between and not asked.get("clusters"):
        plain["weight_bits"] = max(BITS)
    return Scheme.of(plain)


def measured(model: Any, inputs: Callable[[], Sequence[NDArray[Any]]], asked: Mapping[str, Any]) -> Scheme:
    """What is asked for, as `stated` takes it, layer by layer where that is to be measured.

    Args:
        model: Of Keras 3 or tf-keras, trained; it ends as it was.
        inputs: Gives training examples, where they are needed, as the functions below take them.
        asked: Fields of `Scheme`.

    Raises:
        InputError: As `stated`.
    """
    scheme = stated(asked)
    if asked.get("scope") == MEASURED:
        found = measured_sparsity(model, inputs(), scheme.sparsity, block=scheme.block, fixed=scheme.layer_sparsity)
        scheme = replace(scheme, layer_sparsity=found)
    if (bits := asked.get("weight_bits", 0)) != scheme.weight_bits:
        scheme = replace(scheme, layer_bits=measured_bits(model, inputs(), bits, fixed=scheme.layer_bits))
    return scheme


def measured_sparsity(
    model: Any, inputs: Sequence[NDArray[Any]], sparsity: float, *, block: tuple[int, int] = (1, 1),
    fixed: Mapping[str, float] | None = None,
) -> dict[str, float]:  # fmt: skip
    """The share of zeros of each layer with kernels.

    Args:
        model: Of Keras 3 or tf-keras, trained; it ends as it was.
        inputs: Training examples, an array (n, ...) for each of the model's inputs; `EXAMPLES` of them count.
        sparsity: Share of the weights of all layers that are not fixed, together; from 0 to below 1.
        block: Inputs and outputs that are zero together.
        fixed: Shares of single layers that are given; they are not measured.
    """
    shares = sorted({*_SHARES, sparsity, (1 + sparsity) / 2})
    layers = _layers(model, fixed or {})
    damages = _damages(
        model, inputs, layers, shares,
        lambda kernel, values, share: values * largest(values, share, outputs_of(kernel), block),
    )  # fmt: skip
    sizes = {layer: sum(_size(kernel) for kernel in kernels) for layer, kernels in layers.items()}
    wanted = math.ceil(sparsity * sum(sizes.values()) - 1e-6)

    def zeros(layer: str, share: float) -> int:
        # A kernel's share is rounded to whole weights.
        return sum(round(share * _size(kernel)) for kernel in layers[layer])

    levels = allocated(damages, {layer: [zeros(layer, share) for share in shares] for layer in layers}, wanted)
    found = {layer: shares[level] for layer, level in levels.items()}
    # What the last step won too much, the layers with most zeros give back.
    for layer in sorted(found, key=lambda each: -zeros(each, found[each])):
        needed = wanted - sum(zeros(other, share) for other, share in found.items() if other != layer)
        fewer = (count / sizes[layer] for count in range(max(0, needed), zeros(layer, found[layer])))
        found[layer] = next((share for share in fewer if zeros(layer, share) >= needed), found[layer])
    return found | dict(fixed or {})


def measured_bits(
    model: Any, inputs: Sequence[NDArray[Any]], mean: float, *, fixed: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The bits of each layer's kernels: 8 or 4, and below a mean of 4 also 2.

    Args:
        model: Of Keras 3 or tf-keras, trained; it ends as it was.
        inputs: Training examples, an array (n, ...) for each of the model's inputs; `EXAMPLES` of them count.
        mean: Bits that a weight of all layers that are not fixed has at most in the mean, from 2 to 8.
        fixed: Bits of single layers that are given; they are not measured.
    """
    allowed = [bits for bits in BITS if bits >= 4 or mean < 4]
    layers = _layers(model, fixed or {})

    def change(kernel: Kernel, values: NDArray[np.float32], bits: float) -> NDArray[np.float32]:
        axes = kernel.scaled(values, int(bits))
        return np.asarray(array_of(rounded(values, clipping(values, int(bits), axes), int(bits), axes)))

    damages = _damages(model, inputs, layers, allowed, change)
    sizes = {layer: sum(_size(kernel) for kernel in kernels) for layer, kernels in layers.items()}
    won = {layer: [(allowed[0] - bits) * size for bits in allowed] for layer, size in sizes.items()}
    levels = allocated(damages, won, (allowed[0] - mean) * sum(sizes.values()))
    return {layer: allowed[level] for layer, level in levels.items()} | dict(fixed or {})


def allocated(
    damages: Mapping[str, Sequence[float]], won: Mapping[str, Sequence[float]], wanted: float
) -> dict[str, int]:
    """The level of each layer at which so much is won in all, for the least damage that single steps find.

    Args:
        damages: Layer to the damage at each level, the first of which changes nothing.
        won: Layer to what each level wins, from 0, never less than the one before.
        wanted: Of all layers together; as much as there is where there is less.
    """
    levels = dict.fromkeys(damages, 0)
    # A level that happens to do less than the one before is no reason to stop at that one.
    rising = {layer: np.maximum.accumulate(np.asarray(each, np.float64)) for layer, each in damages.items()}

    def price(step: tuple[str, int]) -> float:
        layer, level = step
        now = levels[layer]
        return float((rising[layer][level] - rising[layer][now]) / (won[layer][level] - won[layer][now]))

    while sum(won[layer][level] for layer, level in levels.items()) < wanted * (1 - 1e-9):
        steps = [
            (layer, level)
            for layer, now in levels.items()
            for level in range(now + 1, len(won[layer]))
            if won[layer][level] > won[layer][now]
        ]
        if not steps:
            break
        layer, level = min(steps, key=price)
        levels[layer] = level
    return levels


def _layers(model: Any, fixed: Container[str]) -> dict[str, list[Kernel]]:
    layers: dict[str, list[Kernel]] = {}
    for kernel in kernels_of(model):
        if kernel.layer not in fixed:
            layers.setdefault(kernel.layer, []).append(kernel)
    return layers


def _size(kernel: Kernel) -> int:
    return int(np.prod(tuple(kernel.variable.shape)))


def _damages(
    model: Any, inputs: Sequence[NDArray[Any]], layers: Mapping[str, Sequence[Kernel]], levels: Sequence[float],
    change: _Change,
) -> dict[str, list[float]]:  # fmt: skip
    """What each layer's change alone does to the outputs: the mean square, as a share of each output's variance. The
    first level changes nothing, and what 8 bits do counts as nothing."""
    answers = _answers(model, [each[:: max(1, -(-len(each) // EXAMPLES))] for each in inputs])
    whole = answers()
    variances = [max(float(values.var()), 1e-12) for values in whole]
    found: dict[str, list[float]] = {}
    for layer, kernels in layers.items():
        before = [array_of(kernel.variable).copy() for kernel in kernels]
        found[layer] = [0.0]
        try:
            for level in levels[1:]:
                for kernel, values in zip(kernels, before, strict=True):
                    kernel.variable.assign(change(kernel, values, level))
                found[layer].append(
                    sum(
                        float(np.square(made - right).mean()) / variance
                        for made, right, variance in zip(answers(), whole, variances, strict=True)
                    )
                )
        finally:
            for kernel, values in zip(kernels, before, strict=True):
                kernel.variable.assign(values)
    return found


def _answers(model: Any, inputs: Sequence[NDArray[Any]]) -> Callable[[], list[NDArray[np.float64]]]:
    """The model's outputs for the examples, with the weights that it has when asked."""
    keras = require("keras", extra="toolkit")
    tree, tensor = keras.tree, keras.ops.convert_to_tensor
    call = compiled(lambda given: tree.flatten(model(given, training=False)))
    batches = [[tensor(each[start : start + _BATCH]) for each in inputs] for start in range(0, len(inputs[0]), _BATCH)]

    def answers() -> list[NDArray[np.float64]]:
        parts = [[array_of(made) for made in call(each[0] if len(each) == 1 else each)] for each in batches]
        return [np.concatenate(each).astype(np.float64) for each in zip(*parts, strict=True)]

    return answers
