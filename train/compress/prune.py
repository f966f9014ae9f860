"""Magnitude pruning through TensorFlow Model Optimization."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgepress.base.extras import require
from edgepress.runtime import InputError

__all__ = ["add_pruning", "sparsity", "strip_pruning"]

_log = logging.getLogger("edgepress")
_UPDATES_PER_EPOCH = 4
_PRUNED = ("Conv1D", "Conv2D", "Conv2DTranspose", "Dense")
"""Layers with a kernel worth pruning; depthwise kernels are few weights that each do much."""


def add_pruning(
    model: Any,
    share: float,
    *,
    steps_per_epoch: int,
    ramp_epochs: int,
    pruning: str = "polynomial",
    block: tuple[int, int] = (1, 1),
    layer_shares: Mapping[str, float] | None = None,
) -> Any:
    """A copy of `model` that training makes sparse: its smallest weights are set to zero, and stay it.

    Args:
        model: tf-keras, Sequential or functional; its weights are the start.
        share: Zeros in each layer's kernel at the end of the ramp.
        steps_per_epoch: Training steps of one epoch.
        ramp_epochs: Epochs in which the share rises.
        pruning: `polynomial`: the share rises as 1 - (1 - t)^3 (Zhu and Gupta 2017), quickly while there is much to
            remove. `constant`: it is there from the first step. `2:4`: two of each four neighbours are zero, from the
            first step, which some processors compute in half the time; the shares are not looked at.
        block: Height and width of the blocks of a Dense kernel that are zero together; kernels no larger than a block
            lose single weights.
        layer_shares: Shares of single layers by name, in place of `share`; 0 leaves a layer alone.

    Raises:
        InputError: A layer name that the model does not have.
    """
    whole = [f"'{layer.name}' ({type(layer).__name__})" for layer in model.layers if _is_left_whole(layer)]
    if whole:
        _log.info("pruning leaves whole: %s", ", ".join(whole))
    sparsity_api = require("tensorflow_model_optimization", extra="toolkit").sparsity.keras
    clone_model = require("tf_keras", extra="toolkit").models.clone_model
    shares = {layer.name: share for layer in model.layers if type(layer).__name__ in _PRUNED}
    if unknown := sorted(set(layer_shares or {}) - set(shares)):
        raise InputError(f"layer_sparsity names {', '.join(unknown)}: the model's layers are {', '.join(shares)}")
    shares |= layer_shares or {}

    def wrap(layer: Any) -> Any:
        if not shares.get(layer.name):
            return layer
        options: dict[str, Any] = {}
        if pruning == "2:4":
            options["sparsity_m_by_n"] = (2, 4)
        elif type(layer).__name__ == "Dense" and all(n > b for n, b in zip(layer.kernel.shape, block, strict=True)):
            # TFMOT fails where a kernel is a single block high or wide.
            options["block_size"] = block
        schedule = _schedule(sparsity_api, pruning, shares[layer.name], steps_per_epoch, ramp_epochs)
        return sparsity_api.prune_low_magnitude(layer, pruning_schedule=schedule, **options)

    # TFMOT wraps the very layers that it is given; the float model goes on as the teacher.
    copy = clone_model(model)
    copy.set_weights(model.get_weights())
    pruned = clone_model(copy, clone_function=wrap)
    for layer in pruned.layers:
        if hasattr(layer, "pruning_step"):
            # TFMOT's callback does this for `Model.fit`; the wrapper refuses to run from its initial -1.
            layer.pruning_step.assign(0)
    return pruned


def _is_left_whole(layer: Any) -> bool:
    """Whether the layer has a kernel that pruning does not touch."""
    return type(layer).__name__ not in _PRUNED and any(len(weight.shape) > 1 for weight in layer.trainable_weights)


def strip_pruning(model: Any) -> Any:
    """The plain model with the pruned weights, without the masks."""
    return require("tensorflow_model_optimization", extra="toolkit").sparsity.keras.strip_pruning(model)


def sparsity(model: Any) -> float:
    """Share of the trainable weights of a tf-keras model, biases included, that are exactly zero."""
    arrays = [variable.numpy() for variable in model.trainable_variables]
    return 1 - sum(map(np.count_nonzero, arrays)) / max(1, sum(array.size for array in arrays))


def _schedule(api: Any, pruning: str, share: float, steps_per_epoch: int, ramp_epochs: int) -> Any:
    frequency = max(1, steps_per_epoch // _UPDATES_PER_EPOCH)
    if pruning != "polynomial":
        return api.ConstantSparsity(share, begin_step=frequency, frequency=frequency)
    # Masks change at multiples of the frequency alone: an end between two of them would never reach the final share.
    updates = max(1, ramp_epochs * steps_per_epoch // frequency)
    return api.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=share,
        begin_step=frequency,
        end_step=frequency + updates * frequency,
        frequency=frequency,
    )
