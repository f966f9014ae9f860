"""Pictures that show a difference, small enough to travel inside the report."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..statistics.metrics import Answers
from ..values import Example, Flips, Row
from .png import encode_png

__all__ = ["list_examples", "picture_examples"]

_EXAMPLES = 16


def list_examples(row: Answers, base: Answers, truth: NDArray[np.int64]) -> tuple[Flips, tuple[Example, ...]]:
    """Images that show the difference: where only one of the two is right, and the row's most certain mistakes."""
    row_right, base_right = row.labels == truth, base.labels == truth
    wrong = np.flatnonzero(~row_right)
    certain = wrong[np.argsort(-row.probabilities[wrong].max(axis=1), kind="stable")]

    def entries(indices: NDArray[np.int64]) -> tuple[Example, ...]:
        return tuple(
            Example(
                image=int(i),
                said=int(row.labels[i]),
                float_said=int(base.labels[i]),
                probability=float(row.probabilities[i].max()) if row.valid[i] else 0.0,
            )
            for i in indices[:_EXAMPLES]
        )

    flips = Flips(
        only_float_right=entries(np.flatnonzero(base_right & ~row_right)),
        only_row_right=entries(np.flatnonzero(row_right & ~base_right)),
    )
    return flips, entries(certain)


def picture_examples(rows: Sequence[Row], images: NDArray[np.uint8], truth: NDArray[np.int64] | None) -> dict[str, Any]:
    """Every image that an example names: its class and its pixels as a PNG in base64, by index."""
    if truth is None:
        return {}
    groups = [row.mistakes or () for row in rows]
    groups += [group for row in rows if row.flips for group in (row.flips.only_float_right, row.flips.only_row_right)]
    wanted = sorted({entry.image for group in groups for entry in group})
    return {
        str(i): {"label": int(truth[i]), "png": base64.b64encode(encode_png(images[i])).decode("ascii")} for i in wanted
    }
