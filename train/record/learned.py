"""Ranges of activations that a Keras file of ours brings along."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compress.engine import ranges as learned
from ..compress.engine.compression import array_of
from ..compress.engine.kernels import kernels_of
from ..keras_file import inside, read_record

__all__ = ["learned_ranges", "on_one_scale", "rounding"]

_LARGEST = 127
_NEAR = 1e-3
"""Of a step: what float32 makes of whole multiples."""


def on_one_scale(model: Any) -> bool:
    """Whether all weights of each kernel are whole multiples of one 127th of its largest, as those that share values
    are: with that scale a file holds these very values, and with one for each channel many more.

    Not where a normalization may be folded into the channels.

    Args:
        model: As `open_keras` gives it.
    """
    looked_at = inside(model)
    if any(type(layer).__name__ == "BatchNormalization" for layer in looked_at._flatten_layers()):
        return False
    kernels = [array_of(kernel.variable) for kernel in kernels_of(looked_at) if kernel.channels]
    return bool(kernels) and all(map(_whole, kernels))


def _whole(kernel: NDArray[np.float32]) -> bool:
    largest = float(np.abs(kernel).max(initial=0))
    steps = kernel * (_LARGEST / largest) if largest else kernel
    return bool((np.abs(steps - np.rint(steps)) < _NEAR).all())


def learned_ranges(path: Path, model: Any) -> dict[str, learned.Range]:
    """What training learned (`compress.engine.ranges`), by place; empty where the file says nothing that fits.

    Args:
        path: The Keras file: only what is in it counts, for the file beside it may be another model's.
        model: As `open_keras` gives it.
    """
    given = (read_record(path) or {}).get("ranges") if path.is_file() else None
    if not learned.fits(inside(model), given):
        return {}
    return {name: (float(low), float(high)) for name, (low, high) in dict(given or {}).items()}


@contextlib.contextmanager
def rounding(model: Any, ranges: Mapping[str, learned.Range], *, exactly: bool = False) -> Iterator[None]:
    """Within it a model, as `open_keras` gives it, rounds its activations to these ranges, and with `exactly` what a
    converter rounds by itself."""
    # What `predict` has traced before does not round, and what it traces here must not be taken later.
    model.predict_function = None
    try:
        with learned.rounding(inside(model), ranges, exactly=exactly):
            yield
    finally:
        model.predict_function = None
