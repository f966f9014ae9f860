"""Real numbers through any model, batch by batch: quantized where its inputs are integers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .bundle.manifest import TensorSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .model import Model

__all__ = ["run_batches"]

_BATCH = 256


def run_batches(model: Model, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """All samples, a batch at a time; where the model's batch is fixed, the last one is filled up with zeros.

    Args:
        model: With any inputs and outputs.
        inputs: Input name to real numbers. Shape (n, ...).

    Returns:
        Output name to what the model gives, shape (n, ...); integers stay integers.

    Raises:
        InputError: A type or shape that the model does not have.
    """
    specs, outputs = model.artifact.inputs, model.artifact.outputs
    fixed = max(specs[0].shape[0], 0)
    step = fixed or _BATCH
    count = len(inputs[specs[0].name])
    answers: dict[str, list[NDArray[Any]]] = {spec.name: [] for spec in outputs}
    for start in range(0, count, step):
        feeds = {spec.name: _to_tensor(spec, inputs[spec.name][start : start + step]) for spec in specs}
        given = model.run({name: _fill(values, fixed) for name, values in feeds.items()})
        for spec in outputs:
            values = given[spec.name] if isinstance(given, dict) else given
            answers[spec.name].append(values[: count - start])
    return {name: np.concatenate(parts) for name, parts in answers.items()}


def _fill(values: NDArray[Any], count: int) -> NDArray[Any]:
    missing = np.zeros((max(count - len(values), 0), *values.shape[1:]), values.dtype)
    return np.concatenate([values, missing]) if len(missing) else values


def _to_tensor(spec: TensorSpec, real: NDArray[Any]) -> NDArray[Any]:
    return spec.quantization.quantize(real) if spec.quantization else real.astype(spec.dtype)
