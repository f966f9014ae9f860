"""4-bit weights in every layer that can have them.

Also the child's program: `python -m edgepress.export.tflite.int4`.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgepress.data.rows import save_npz

from ..materials import Materials
from ..samples import Samples
from .finish import finish
from .quantizer import (
    CLIPPED,
    LARGEST,
    LEAST_ERROR,
    StaticQuantizer,
    dynamic_quantize,
    four_bit_layers,
    has_sound_scales,
    outputs,
    read_inputs,
    run_program,
)

__all__ = ["dynamic_int4", "int4"]

_SAMPLES = 200
_STATIC, _DYNAMIC = "static", "dynamic"


def int4(materials: Materials) -> bytes:
    """int4 weights, int8 activations, whose ranges are measured."""
    return finish(_quantize(materials.base, materials.clipped, _STATIC), materials)


def dynamic_int4(materials: Materials) -> bytes:
    """int4 weights; activations are quantized while the model runs."""
    return finish(_quantize(materials.base, materials.calibration, _DYNAMIC), materials)


def _quantize(float32: bytes, calibration: Samples, how: str) -> bytes:
    """Quantize the weights of a float32 `.tflite` file to 4 bits, one scale per output channel.

    Of the methods that find these scales the one whose outputs are nearest to the float model's on the calibration
    samples is taken.

    Args:
        float32: The file.
        calibration: Samples for the ranges and for the choice of the method.
        how: Whether the ranges of activations are found now (`static`) or while the model runs (`dynamic`).
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "float32.tflite").write_bytes(float32)
        save_npz(folder / "calibration.npz", calibration.thinned(_SAMPLES).inputs)
        run_program(__name__, folder, how)
        return (folder / "int4.tflite").read_bytes()


def _main(folder: Path, how: str) -> None:
    source, inputs = folder / "float32.tflite", read_inputs(folder / "calibration.npz")
    reference = outputs(source.read_bytes(), inputs)

    def error(content: bytes) -> float:
        answers = outputs(content, inputs)
        return float(sum(np.square(answers[name] - reference[name]).mean() for name in reference))

    def candidates() -> Iterator[bytes]:
        if how == _DYNAMIC:
            yield from (dynamic_quantize(source, method) for method in (LARGEST, CLIPPED, LEAST_ERROR))
            return
        quantizer, layers = StaticQuantizer(source, inputs), four_bit_layers(source)
        yield from (quantizer.quantize(dict.fromkeys(layers, method)) for method in (LARGEST, CLIPPED))

    (folder / "int4.tflite").write_bytes(min(filter(has_sound_scales, candidates()), key=error))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2])
