"""Where accuracy went: every layer of a quantized `.tflite` against the same layer of the float32 one.

LiteRT keeps each layer's output (`experimental_preserve_all_tensors`); layers are matched by the names that export
gives. Call it in a process without TensorFlow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import InputError
from edgepress.runtime.formats.tensor_names import detail_quantization
from edgepress.runtime.formats.tflite_file import read_tflite

from .judge import sqnr_db

__all__ = ["LayerError", "compare_layers"]


@dataclass(frozen=True)
class LayerError:
    """How far one layer's output strays from the float model's."""

    layer: str
    sqnr_db: float
    """Signal-to-quantization-noise ratio over all channels, in decibels."""
    cosine: float
    """Cosine similarity of the two outputs as vectors."""
    worst_channel: int
    """Index along the last axis of the channel with the lowest ratio."""
    worst_channel_sqnr_db: float


def compare_layers(quantized: Path, float32: Path, inputs: Mapping[str, NDArray[np.float32]]) -> list[LayerError]:
    """Run both files on the same inputs and compare what each layer gives, in the order of the graph.

    Args:
        quantized: The file to judge.
        float32: The same model in float32.
        inputs: Real numbers by input name, shape (n, ...).

    Raises:
        InputError: The files have no layer's name in common.
    """
    ours, reference = _layer_outputs(quantized, inputs), _layer_outputs(float32, inputs)
    common = [name for name in reference if name in ours and ours[name].shape == reference[name].shape]
    if not common:
        raise InputError(f"{quantized.name} and {float32.name} share no layer's name: export both from one model")
    return [_error(name, reference[name], ours[name]) for name in common]


def _error(name: str, reference: NDArray[np.float32], ours: NDArray[np.float32]) -> LayerError:
    channels = reference.shape[-1]
    by_channel = [sqnr_db(reference[..., c], ours[..., c]) for c in range(channels) if reference[..., c].any()]
    used = [c for c in range(channels) if reference[..., c].any()]
    worst = int(np.argmin(by_channel)) if by_channel else 0
    lengths = float(np.linalg.norm(reference)) * float(np.linalg.norm(ours))
    return LayerError(
        layer=name,
        sqnr_db=sqnr_db(reference, ours),
        cosine=float((reference * ours).sum()) / lengths if lengths else 1.0,
        worst_channel=used[worst] if used else 0,
        worst_channel_sqnr_db=by_channel[worst] if by_channel else 200.0,
    )


def _layer_outputs(path: Path, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Output of every operator as real numbers, by tensor name. One sample at a time: any batch size is fine."""
    library = require("ai_edge_litert.interpreter", extra="litert")
    content = path.read_bytes()
    graph = read_tflite(content).main
    made = {i: graph.tensors[i].name for operator in graph.operators for i in operator.outputs}
    interpreter = library.Interpreter(
        model_content=content,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=library.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    outputs: dict[str, list[NDArray[np.float32]]] = {name: [] for name in made.values()}
    for number in range(len(next(iter(inputs.values())))):
        for i in graph.inputs:
            values = inputs[graph.tensors[i].name][number : number + 1]
            steps = detail_quantization(details[i])
            interpreter.set_tensor(i, values.astype(details[i]["dtype"]) if steps is None else steps.quantize(values))
        interpreter.invoke()
        for i, name in made.items():
            raw, steps = interpreter.get_tensor(i), detail_quantization(details[i])
            outputs[name].append(raw.astype(np.float32) if steps is None else steps.dequantize(raw))
    return {name: np.concatenate(parts) for name, parts in outputs.items()}
