"""The first golden example of a bundle, as people would send it: what fills the page's form and the API's examples."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import InputError

from ...bundle.manifest import Manifest
from ...conformance.golden import Vectors
from ...contract import Features, Input, Picture

__all__ = ["example_of"]

_DIGITS = 6
"""Of each number: golden inputs are float32, which hold seven."""


def example_of(folder: str | os.PathLike[str], manifest: Manifest) -> Mapping[str, Any] | None:
    """The example by input name: pixels, a row by column name, numbers as nested lists.

    Args:
        folder: The bundle.
        manifest: Its manifest.

    Returns:
        None where the bundle has no golden vectors that fit its contract.
    """
    if manifest.selftest is None:
        return None
    try:
        vectors = Vectors.read(Path(folder) / manifest.selftest)
    except InputError:
        # `selftest` says what is wrong with it.
        return None
    inputs = manifest.contract.inputs
    if vectors.images is not None:
        picture = manifest.preprocessing
        if picture is None or vectors.images.shape[1:] != picture.shape or not len(vectors.images):
            return None
        return {next(iter(inputs)): vectors.images[0].tolist()}
    if set(vectors.inputs) != set(inputs):
        return None
    found: dict[str, Any] = {}
    for name, contract in inputs.items():
        reals = vectors.inputs[name][:1]
        if isinstance(contract, Picture) or not len(reals) or min(contract.shape, default=1) < 0:
            return None
        if reals.size != contract.size:
            return None
        found[name] = _as_people_have_it(reals.reshape(contract.shape), contract)
    return found


def _as_people_have_it(reals: NDArray[Any], contract: Input) -> Any:
    """The inverse of the contract's normalization, rounded."""
    numbers = reals.astype(np.float64)
    mean, std = getattr(contract, "mean", ()), getattr(contract, "std", ())
    if mean:
        numbers = numbers * np.array(std) + np.array(mean)
    if isinstance(contract, Features):
        return _row(numbers, contract)
    return _rounded(numbers.tolist())


def _row(numbers: NDArray[Any], contract: Features) -> dict[str, Any]:
    """Numbers in the order of `expanded` by column name; categories as their texts."""
    left, row = list(numbers), dict[str, Any]()
    for column in contract.columns:
        texts = contract.categories.get(column)
        if texts is None:
            row[column] = _rounded(float(left.pop(0)))
            continue
        count = len(texts) if contract.one_hot else 1
        part, left = left[:count], left[count:]
        place = int(np.argmax(part)) if contract.one_hot else round(float(part[0]))
        row[column] = texts[min(max(place, 0), len(texts) - 1)]
    return row


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
