"""Ranges of activations that a Keras file of ours brings along."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..compress.engine import ranges as learned
from ..compress.engine.compression import array_of
from ..compress.engine.grid import is_whole
from ..compress.engine.kernels import kernels_of, normalized
from ..keras_file import inside, read_record

__all__ = ["learned_ranges", "on_one_scale", "rounding"]


class OneScale(NamedTuple):
    """Of which of a model's kernels the weights are whole multiples of one scale."""

    some: bool = False
    matrices: bool = False
    """All that are matrices, or all there are."""
    all: bool = False


def on_one_scale(model: Any) -> OneScale:
    """Whether kernels' weights are whole multiples of a 127th of the largest (`is_whole`). None are where a
    normalization may be folded into the channels.

    Args:
        model: As `open_keras` gives it.
    """
    looked_at = inside(model)
    if normalized(looked_at):
        return OneScale()
    kernels = [kernel for kernel in kernels_of(looked_at) if kernel.channels]
    whole = [is_whole(array_of(kernel.variable)) for kernel in kernels]
    matrices = [each for kernel, each in zip(kernels, whole, strict=True) if kernel.matrix]
    return OneScale(any(whole), all(matrices or whole or [False]), all(whole or [False]))


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
