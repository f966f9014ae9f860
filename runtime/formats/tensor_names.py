"""What a `.tflite` file's tensors are called from outside, and what an interpreter says about them.

One rule: a file with one signature calls its inputs and outputs as the signature does, which outlives conversions; any
other file calls them as its tensors are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..bundle.manifest import TensorSpec
from ..bundle.quantization import Quantization
from .tflite_file import TfliteFile

__all__ = ["detail_quantization", "detail_spec", "file_specs", "public_names"]


def public_names(signatures: Iterable[tuple[Mapping[str, int], Mapping[str, int]]]) -> dict[int, str]:
    """Tensor index to public name.

    Args:
        signatures: For each of the file's signatures its inputs and outputs, name to tensor index.
    """
    first, *others = [*signatures] or [({}, {})]
    if others:
        return {}
    return {index: name for side in first for name, index in side.items()}


def file_specs(file: TfliteFile) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs of a file's main graph."""
    names = public_names((signature.inputs, signature.outputs) for signature in file.signatures)

    def spec(index: int) -> TensorSpec:
        tensor = file.main.tensors[index]
        name = names.get(index, tensor.name)
        return TensorSpec.of(name, tensor.shape_signature, tensor.dtype, tensor.scales, tensor.zero_points)

    return tuple(map(spec, file.main.inputs)), tuple(map(spec, file.main.outputs))


def detail_spec(detail: Mapping[str, Any], names: Mapping[int, str]) -> TensorSpec:
    """A tensor from what a TFLite interpreter's `get_input_details` and the like say about it."""
    steps = detail["quantization_parameters"]
    signature = detail.get("shape_signature")
    shape = detail["shape"] if signature is None or not len(signature) else signature
    name = names.get(detail["index"], detail["name"])
    return TensorSpec.of(name, shape, np.dtype(detail["dtype"]).name, steps["scales"], steps["zero_points"])


def detail_quantization(detail: Mapping[str, Any]) -> Quantization | None:
    """How that tensor's integers stand for real numbers; None where it has no scale, or one a channel."""
    return detail_spec(detail, {}).quantization
