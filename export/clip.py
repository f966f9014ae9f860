"""Which inputs of a model's int8 files are cut off (`narrowed`), found on calibration examples alone."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data.rows import batch_of, bounds
from edgepress.train import Clip, labels_by, narrowed

from .fidelity.measure import Outputs
from .question import Asked, answers_of
from .variants import Variant

__all__ = ["clipped"]

logger = logging.getLogger(__name__)

_EXAMPLES, _NUMBERS = 200, 5_000_000
"""Of the calibration examples that are looked at, at most, and the numbers that they may have together."""


def clipped(asked: Sequence[Asked], variants: Sequence[Variant]) -> list[Asked]:
    """The models of one bundle, each with the ranges of those inputs that are to be cut off (`Source.clipped`).

    It is found on calibration examples alone. Models that bring ranges of their own (quantization-aware training), and
    anomaly detectors, for which what lies far out is what they look for, keep all.

    Args:
        asked: The models, as they will be exported.
        variants: What is made of them: only files of 8 bits whose ranges are measured have any use for it.
    """
    if not any(variant.measures_ranges for variant in variants):
        return list(asked)
    return [replace(each, source=replace(each.source, clipped=_clips(each))) for each in asked]


def _clips(asked: Asked) -> dict[str, Clip]:
    source, task = asked.source, asked.task
    if source.quantized is not None or source.ranges or task.traits.reconstructs:
        return {}

    largest = max(values.size // len(values) for values in asked.calibration.inputs.values())
    some = asked.calibration.thinned(batch_of(largest, _EXAMPLES, _NUMBERS))
    found = {}
    for name, values in asked.calibration.inputs.items():
        if values.dtype.kind != "f":
            continue

        def say(numbers: NDArray[Any], name: str = name) -> Outputs:
            return answers_of(source.model, replace(some, inputs=some.inputs | {name: numbers}))

        clip = narrowed(np.asarray(some.inputs[name]), bounds(values), say, labels_by(task, some.first))
        if clip is not None:
            logger.info("int8 files of %s take %s %s", source.name, name, clip.beside(bounds(values)))
            found[name] = clip
    return found
