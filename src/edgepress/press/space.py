"""What a search within a budget chooses among."""

from typing import Any, NamedTuple

from edgepress.train import TrainConfig
from edgepress.train.compress.engine.scheme import MEASURED
from edgepress.train.engines import engines_of

__all__ = ["VARIANTS", "WITH_WIDTHS", "Space", "space_of", "starts", "suggest"]

VARIANTS: dict[float, tuple[str, ...]] = {
    8: ("tflite:int8", "tflite:dynamic-int8"),
    6: ("tflite:mixed",),
    4: ("tflite:int4", "tflite:dynamic-int4"),
}
"""By the bits of a weight that the model was trained for; 6 is the mean of 8 and 4, layer by layer."""
_FIRST_WIDTHS = (16, 24, 32, 48, 64, 96, 128, 192)
_LATER_WIDTHS = (8, 16, 24, 32, 48, 64)
_PIXEL_LOSSES = (0.0, 0.01, 0.03)
_CHANNELS = (1.0, 0.75, 0.5, 0.35)
"""Shares of the multiply-adds."""
_SPARSITIES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95)
WITH_WIDTHS = frozenset({"mlp"})
"""Models that are made of the widths that are searched."""


class Space(NamedTuple):
    """What may be chosen, beside the share of zeros."""

    widths: bool
    """Of the hidden layers; else the channels that leave."""
    pixels: bool
    """How much of the picture's border leaves."""
    channels: tuple[float, ...] = _CHANNELS
    """Shares of the multiply-adds that may stay, all of them first."""
    bits: tuple[float, ...] = tuple(VARIANTS)
    """Of a weight."""
    scopes: tuple[str, ...] = ("", MEASURED)
    """How zeros are spread over the layers."""


def space_of(config: TrainConfig, *, widths: bool, pixels: bool, least: float) -> Space:
    """What may be chosen with a preset: nothing that it refuses.

    Args:
        config: The preset.
        widths: Whether the model is made anew, of hidden layers with units.
        pixels: Whether border pixels may leave.
        least: The smallest share of the multiply-adds that may stay.
    """
    measures = any(engine.measures for engine in engines_of(config))
    bits = [bits for bits in VARIANTS if bits in (4, 8) or measures]
    scopes = [config.scope, MEASURED] if measures and config.pruning != "2:4" else [config.scope]
    return Space(
        widths,
        pixels,
        tuple(share for share in _CHANNELS if share == 1 or share >= least),
        # Shared values have 8 bits.
        (8,) if config.clusters else tuple(bits),
        tuple(dict.fromkeys(scopes)),
    )


def starts(space: Space) -> list[dict[str, Any]]:
    """The first trials show where the budget lies: two large sparse models, a middling and a small one."""
    sizes: list[dict[str, Any]] = [
        {"structured": share} for share in (1.0, 1.0, space.channels[len(space.channels) // 2], space.channels[-1])
    ]
    if space.widths:
        widths = ((128, 64), (128, 64), (48, 24), (24, 16))
        sizes = [{"width1": first, "width2": second} for first, second in widths]
    rest = ((0.03, 8, 0.9, 0), (0.01, 4, 0.8, 0), (0.03, 6, 0.5, -1), (0.03, 8, 0.5, 0))
    return [
        size
        | {"weight_bits": bits if bits in space.bits else space.bits[-1], "sparsity": share}
        | {"scope": space.scopes[scope]}
        | ({"pixel_loss": loss} if space.pixels else {})
        for size, (loss, bits, share, scope) in zip(sizes, rest, strict=True)
    ]


def suggest(trial: Any, space: Space) -> dict[str, Any]:
    """Values of the config for one trial."""
    parameters: dict[str, Any] = {}
    if space.widths:
        first = trial.suggest_categorical("width1", _FIRST_WIDTHS)
        parameters["widths"] = [first, trial.suggest_categorical("width2", _LATER_WIDTHS)]
    else:
        parameters["structured"] = trial.suggest_categorical("structured", space.channels)
    if space.pixels:
        parameters["pixel_loss"] = trial.suggest_categorical("pixel_loss", _PIXEL_LOSSES)
    parameters["weight_bits"] = trial.suggest_categorical("weight_bits", space.bits)
    parameters["sparsity"] = trial.suggest_categorical("sparsity", _SPARSITIES)
    if parameters["sparsity"]:
        parameters["scope"] = trial.suggest_categorical("scope", space.scopes)
    return parameters
