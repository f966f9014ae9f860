"""Mixed precision: weights of 4 bits in the layers that stand it, of 8 bits in the others; int8 activations.

A layer's sensitivity is what its 4 bits alone, all others at 8, do to the model's outputs. In the order of that damage
per byte saved, layer after layer goes to 4 bits and stays there where the model as a whole keeps its bound. Also the
child's program: `python -m edgepress.export.tflite.mixed`.
"""

import json
import math
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgepress.data.rows import save_npz
from edgepress.runtime.tasks import Task

from ..errors import ConversionError
from ..fidelity.judge import judge, sqnr_db
from ..materials import Materials
from ..samples import Samples
from ..variants import Variant
from .finish import finish
from .quantizer import (
    CLIPPED,
    LARGEST,
    StaticQuantizer,
    four_bit_layers,
    has_sound_scales,
    outputs,
    read_inputs,
    run_program,
)

__all__ = ["LayerChoice", "mixed", "to_mixed"]

_CALIBRATION_SAMPLES = 200
_SENSITIVITY_SAMPLES = 500


class LayerChoice(NamedTuple):
    """What was measured of one layer, and what it became."""

    layer: str
    weights: str
    """`int4` or `int8`."""
    sqnr_db: float
    """Of the model's outputs against float32 where this layer alone has 4 bits: the sensitivity."""
    bytes_saved: int
    """By 4 bits instead of 8."""


def mixed(materials: Materials) -> bytes:
    """int4 weights in the layers that stand it, int8 in the others; the choice goes into the record."""
    content, choices = to_mixed(
        materials.base, materials.variant, materials.task, materials.clipped, materials.held_back
    )
    materials.record["mixed"] = [choice._asdict() for choice in choices]
    return finish(content, materials)


def to_mixed(
    float32: bytes, variant: Variant, task: Task, calibration: Samples, held_back: Samples
) -> tuple[bytes, list[LayerChoice]]:
    """Quantize a float32 `.tflite` file layer by layer.

    Args:
        float32: The file.
        variant: States the bound that the model must keep.
        task: By what the bound is judged.
        calibration: Samples for the ranges of activations.
        held_back: Samples for sensitivities and for the bound: training data that the weights were not fitted to.

    Returns:
        The file, and the layers that could have 4 bits, the one that is damaged least per byte saved first.

    Raises:
        ConversionError: 8 bits alone break the bound, or no layer can have 4.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "float32.tflite").write_bytes(float32)
        save_npz(folder / "calibration.npz", calibration.thinned(_CALIBRATION_SAMPLES).inputs)
        save_npz(folder / "held-back.npz", held_back.inputs)
        if held_back.targets is not None:
            np.save(folder / "targets.npy", held_back.targets)
        run_program(__name__, folder, json.dumps(_bound(variant)), json.dumps(task.to_dict()))
        choices = [LayerChoice(**choice) for choice in json.loads((folder / "choices.json").read_text())]
        return (folder / "mixed.tflite").read_bytes(), choices


def _bound(variant: Variant) -> dict[str, float]:
    """What the child must know of it."""
    whole = asdict(variant)
    return {key: whole[key] for key in ("max_difference_points", "max_error_percent", "min_sqnr_db")}


def _main(folder: Path, variant: Variant, task: Task) -> None:
    targets = np.load(folder / "targets.npy") if (folder / "targets.npy").exists() else None
    held_back = Samples(read_inputs(folder / "held-back.npz"), targets)
    source = folder / "float32.tflite"
    quantizer = StaticQuantizer(source, read_inputs(folder / "calibration.npz"))
    content, choices = _choose(quantizer, source, variant, task, held_back)
    (folder / "mixed.tflite").write_bytes(content)
    (folder / "choices.json").write_text(json.dumps([choice._asdict() for choice in choices]))


def _choose(
    quantizer: StaticQuantizer, source: Path, variant: Variant, task: Task, held_back: Samples
) -> tuple[bytes, list[LayerChoice]]:
    reference = outputs(source.read_bytes(), held_back.inputs)

    def objection(content: bytes) -> str | None:
        # As artifacts are checked before they are published.
        answers = outputs(content, held_back.inputs, delegate=False)
        return judge(variant, task, answers, reference, held_back)[1]

    best = quantizer.quantize({})
    if reason := objection(best):
        raise ConversionError(f"8-bit weights alone break the bound: {reason}")
    some = held_back.thinned(_SENSITIVITY_SAMPLES)
    few = outputs(source.read_bytes(), some.inputs)

    def ratio(layer: str, method: str) -> float:
        """The sensitivity of a layer, in decibels."""
        content = quantizer.quantize({layer: method})
        if not has_sound_scales(content):
            return -math.inf
        answers = outputs(content, some.inputs)
        return min(sqnr_db(few[name], answers[name]) for name in few)

    sizes = four_bit_layers(source)
    measured = {layer: max((ratio(layer, method), method) for method in (LARGEST, CLIPPED)) for layer in sizes}
    saved = {layer: (size + 1) // 2 for layer, size in sizes.items()}
    four_bits: dict[str, str] = {}
    order = sorted(sizes, key=lambda layer: 10 ** (-measured[layer][0] / 10) / saved[layer])
    for layer in order:
        tried = four_bits | {layer: measured[layer][1]}
        content = quantizer.quantize(tried)
        if objection(content) is None:
            best, four_bits = content, tried
    if not four_bits:
        raise ConversionError("no layer can have 4-bit weights within the bound: take int8")
    return best, [
        LayerChoice(layer, "int4" if layer in four_bits else "int8", round(measured[layer][0], 1), saved[layer])
        for layer in order
    ]


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Variant("", "", "", **json.loads(sys.argv[2])), Task.from_dict(json.loads(sys.argv[3])))
