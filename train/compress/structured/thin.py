"""Channels and units leave a model, and what is left is a plain, smaller model of the same layers."""

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError

from ...fitting.strided import step_before_convolving
from ...keras_file.native import remade
from .channels import Coupling
from .choice import check, leave, smallest
from .coupling import coupling_of
from .importance import gradients_of, importance
from .merge import Readers

__all__ = ["Thinned", "least_share", "thin", "without"]

_log = logging.getLogger("edgepress")
_ROUNDS = 8


@dataclass(frozen=True)
class Thinned:
    """A model that channels have left, and what it was."""

    model: Any
    channels: dict[str, tuple[int, int]]
    """Layer to how many channels it had, and has: of those that lost some."""
    multiply_adds: tuple[float, float]
    """Of one example, before and after; sizes that the model leaves open count once."""
    whole: dict[str, str]
    """Layers of kinds that are left whole, with their kinds."""

    def to_dict(self) -> dict[str, Any]:
        """Its entry in a history."""
        return {
            "channels": {layer: list(counts) for layer, counts in self.channels.items()},
            "multiply_adds": [round(count) for count in self.multiply_adds],
            "left_whole": self.whole,
        }


def least_share(model: Any) -> float:
    """The smallest share of a model's multiply-adds that `thin` can reach; 1 where no channel may leave."""
    try:
        coupling = coupling_of(model)
    except InputError:
        return 1.0
    whole = coupling.multiply_adds(np.zeros(coupling.count, bool))
    return smallest(coupling) / whole if whole else 1.0


def thin(model: Any, inputs: Sequence[NDArray[Any]], share: float, *, seed: int = 0) -> Thinned:
    """A model with that share of its multiply-adds, of the channels that do most for its outputs; not trained since.

    Args:
        model: Sequential or functional, of Keras 3 or tf-keras; it stays as it is.
        inputs: Training examples, an array (n, ...) for each of the model's inputs, as the model takes them.
        share: Of the multiply-adds that stay, above 0 and below 1. A little less is what comes out: channels leave by
            several.
        seed: Draws the signs that `importance` speaks of.

    Raises:
        InputError: A model whose channels cannot be followed, or a share that cannot be reached.
    """
    check(coupling_of(model), str(model.name), share)
    weights = model.get_weights()
    measured = _remade(model, model.get_config(), weights)
    step_before_convolving(measured)
    coupling = coupling_of(measured)
    readers = Readers(measured, coupling)
    gradients, forward = gradients_of(measured, coupling)
    rng, leaving = np.random.default_rng(seed), np.zeros(coupling.count, bool)
    before = coupling.multiply_adds(leaving)
    for number in range(1, _ROUNDS + 1):
        scores = importance(coupling, gradients, inputs, forward(list(inputs)), rng)
        now = leave(coupling, scores, leaving, before * share ** (number / _ROUNDS))
        readers.hide(leaving, now, readers.moments(inputs))
        leaving = now
    return without(measured, coupling, leaving)


def without(model: Any, coupling: Coupling, leaving: NDArray[np.bool_]) -> Thinned:
    """The model without those groups of channels. Shape of `leaving`: (groups,)."""
    config = _plain(copy.deepcopy(model.get_config()))
    channels: dict[str, tuple[int, int]] = {}
    for setting in coupling.settings:
        kept = int((~leaving[coupling.groups(setting.ids)]).sum())
        _set(config, setting.path, setting.keys, setting.value(kept))
        if kept < len(setting.ids):
            channels["/".join(setting.path)] = (len(setting.ids), kept)
    arrays = {id(variable): value for variable, value in zip(model.weights, model.get_weights(), strict=True)}
    for cut in coupling.cuts:
        kept_here = ~leaving[coupling.groups(cut.ids)]
        arrays[id(cut.variable)] = np.compress(kept_here, arrays[id(cut.variable)], axis=cut.axis)
    nothing = np.zeros(coupling.count, bool)
    made = _remade(model, config, list(arrays.values()))
    counts = (coupling.multiply_adds(nothing), coupling.multiply_adds(leaving))
    return Thinned(made, channels, counts, dict(coupling.whole))


def _remade(model: Any, config: Any, weights: Sequence[Any]) -> Any:
    try:
        return remade(model, config, weights)
    except (TypeError, ValueError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:150]
        raise InputError(f"{model.name} cannot be made smaller ({reason}): press it without structured") from None


def _plain(config: Any) -> Any:
    """A config without the shapes that layers were built with: they are those of the larger model."""
    if isinstance(config, dict):
        return {key: _plain(each) for key, each in config.items() if key != "build_config"}
    if isinstance(config, list):
        return [_plain(each) for each in config]
    return config


def _set(config: dict[str, Any], path: tuple[str, ...], keys: tuple[str, ...], value: Any) -> None:
    for name in path:
        config = next(each for each in config["layers"] if each["config"]["name"] == name)["config"]
    for key in keys[:-1]:
        config = config[key]
    config[keys[-1]] = value
