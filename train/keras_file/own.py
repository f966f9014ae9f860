"""What training asks of an opened model that only its own Keras can tell."""

from collections.abc import Callable
from typing import Any

from edgepress.base.extras import require

from .native import inside

__all__ = ["generators_of", "own_losses"]


def generators_of(model: Any) -> list[Callable[[int], None]]:
    """For each random generator that the model's layers draw from: what begins it anew with a seed."""
    tf = require("tensorflow", extra="toolkit")
    found = [
        _beginning(generator.state)
        for layer in inside(model)._flatten_layers()
        for generator in getattr(layer, "_seed_generators", ())
    ]
    for layer in model.submodules:
        generator = getattr(getattr(layer, "_random_generator", None), "_generator", None)
        if isinstance(generator, tf.random.Generator):
            found.append(generator.reset_from_seed)
    return found


def _beginning(state: Any) -> Callable[[int], None]:
    """Keras 3 draws from a seed and how often it was drawn from."""
    return lambda seed: state.assign([seed, 0])


def own_losses(model: Any) -> list[Any]:
    """What the model's layers add to the loss: penalties of weights and activations."""
    return list(inside(model).losses)
