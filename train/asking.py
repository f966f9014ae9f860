"""What a model says about examples, a few at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data.rows import Rows, batch_of

__all__ = ["outputs_of"]

_BATCH, _NUMBERS = 256, 1_000_000
"""Examples at a time, and the numbers that they may have together: what TensorFlow keeps of the layers of a MobileNetV2
for 256 pictures of 96 pixels takes 350 MB more than for 32, and is no quicker; small examples are, many at a time."""


def outputs_of(model: Any, inputs: Sequence[Any]) -> list[NDArray[Any]]:
    """What a tf-keras model gives, (n, ...) an output, for arrays or `Rows` in the order of its inputs."""
    batch = batch_of(max(values.size // max(1, len(values)) for values in inputs), _BATCH, _NUMBERS)
    if not any(isinstance(values, Rows) for values in inputs):
        given = model.predict(list(inputs), batch_size=batch, verbose=0)
        return given if isinstance(given, list) else [given]
    parts = []
    for start in range(0, len(inputs[0]), batch):
        # Every call of `predict` leaves what it was fed with until Python looks for cycles: 60 MB a call were seen.
        given = model.predict_on_batch([values[start : start + batch] for values in inputs])
        parts.append(given if isinstance(given, list) else [given])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
