"""4-bit weights in every layer that can have them.

Also the child's program: `python -m edgepress.export.tflite.int4`.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..samples import Samples
from .quantizer import (
    CLIPPED,
    LARGEST,
    LEAST_ERROR,
    StaticQuantizer,
    dynamic_int4,
    four_bit_layers,
    has_sound_scales,
    outputs,
    read_inputs,
    run_program,
)

__all__ = ["to_int4"]

_SAMPLES = 200


def to_int4(float32: bytes, variant: str, calibration: Samples) -> bytes:
    """Quantize the weights of a float32 `.tflite` file to 4 bits, one scale per output channel.

    Of the methods that find these scales the one whose outputs are nearest to the float model's on the calibration
    samples is taken.

    Args:
        float32: The file.
        variant: `dynamic-int4`, or `int4` with int8 activations, whose ranges are measured.
        calibration: Samples for the ranges and for the choice of the method.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "float32.tflite").write_bytes(float32)
        np.savez(folder / "calibration.npz", **calibration.thinned(_SAMPLES).inputs)  # type: ignore[arg-type]
        run_program(__name__, folder, variant)
        return (folder / "int4.tflite").read_bytes()


def _main(folder: Path, variant: str) -> None:
    source, inputs = folder / "float32.tflite", read_inputs(folder / "calibration.npz")
    reference = outputs(source.read_bytes(), inputs)

    def error(content: bytes) -> float:
        answers = outputs(content, inputs)
        return float(sum(np.square(answers[name] - reference[name]).mean() for name in reference))

    def candidates() -> Iterator[bytes]:
        if variant == "dynamic-int4":
            yield from (dynamic_int4(source, method) for method in (LARGEST, CLIPPED, LEAST_ERROR))
            return
        quantizer, layers = StaticQuantizer(source, inputs), four_bit_layers(source)
        yield from (quantizer.quantize(dict.fromkeys(layers, method)) for method in (LARGEST, CLIPPED))

    (folder / "int4.tflite").write_bytes(min(filter(has_sound_scales, candidates()), key=error))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2])
