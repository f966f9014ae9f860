"""Magnitude pruning through TensorFlow Model Optimization."""

from typing import Any

import numpy as np

from edgepress.runtime.extras import require

__all__ = ["add_pruning", "sparsity", "strip_pruning"]

_UPDATES_PER_EPOCH = 4


def add_pruning(model: Any, share: float, *, steps_per_epoch: int, ramp_epochs: int) -> Any:
    """A copy of `model` that training makes sparse: the smallest weights go along a polynomial schedule.

    The share of zeros rises as 1 - (1 - t)^3 (Zhu and Gupta 2017), quickly while there is much to remove, and stays
    at `share` from the end of the ramp on.

    Args:
        model: tf-keras, Sequential or functional; its weights are the start.
        share: Zeros in each layer's kernel at the end of the ramp.
        steps_per_epoch: Training steps of one epoch.
        ramp_epochs: Epochs in which the share rises.
    """
    sparsity_api = require("tensorflow_model_optimization", extra="toolkit").sparsity.keras
    frequency = max(1, steps_per_epoch // _UPDATES_PER_EPOCH)
    # Masks change at multiples of the frequency alone: an end between two of them would never reach the final share.
    updates = max(1, ramp_epochs * steps_per_epoch // frequency)
    schedule = sparsity_api.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=share,
        begin_step=frequency,
        end_step=frequency + updates * frequency,
        frequency=frequency,
    )
    # TFMOT wraps the very layers of the model that it is given; the float model goes on as the teacher.
    copy = require("tf_keras", extra="toolkit").models.clone_model(model)
    copy.set_weights(model.get_weights())
    pruned = sparsity_api.prune_low_magnitude(copy, pruning_schedule=schedule)
    for layer in pruned.layers:
        if hasattr(layer, "pruning_step"):
            # TFMOT's callback does this for `Model.fit`; the wrapper refuses to run from its initial -1.
            layer.pruning_step.assign(0)
    return pruned


def strip_pruning(model: Any) -> Any:
    """The plain model with the pruned weights, without the masks."""
    return require("tensorflow_model_optimization", extra="toolkit").sparsity.keras.strip_pruning(model)


def sparsity(model: Any) -> float:
    """Share of the trainable weights of a tf-keras model, biases included, that are exactly zero."""
    arrays = [variable.numpy() for variable in model.trainable_variables]
    return 1 - sum(map(np.count_nonzero, arrays)) / max(1, sum(array.size for array in arrays))
