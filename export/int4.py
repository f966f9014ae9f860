"""4-bit weights, by Google's LiteRT quantizer, in a process of its own.

The quantizer brings LiteRT's build of TFLite, which must not meet TensorFlow's in one process. Also the child's
program: `python -m edgepress.export.int4 FOLDER VARIANT`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import Quantization
from edgepress.runtime.extras import require

from .errors import ConversionError
from .samples import Samples

__all__ = ["to_int4"]

_METHODS = {
    "dynamic-int4": ("min_max_uniform_quantize", "OCTAV", "MSE"),
    "int4": ("min_max_uniform_quantize", "OCTAV"),
}
"""How a channel's scale is found: the largest weight; the clipping of Sakr et al. 2022 (OCTAV); the least squared error
over a grid. The one whose outputs are nearest to the float model's on the calibration samples is taken."""
_SAMPLES = 200


def to_int4(float32: bytes, variant: str, calibration: Samples) -> bytes:
    """Quantize the weights of a float32 `.tflite` file to 4 bits, one scale per output channel.

    Args:
        float32: The file.
        variant: `dynamic-int4`, or `int4` with int8 activations, whose ranges are measured.
        calibration: Samples for the ranges and for the choice of the method.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "float32.tflite").write_bytes(float32)
        np.savez(folder / "calibration.npz", **calibration[:_SAMPLES].inputs)  # type: ignore[arg-type]
        command = [sys.executable, "-m", __name__, name, variant]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
            raise ConversionError(f"the 4-bit quantizer: {last[0]}")
        return (folder / "int4.tflite").read_bytes()


def _child(folder: Path, variant: str) -> None:
    with np.load(folder / "calibration.npz") as archive:
        inputs = {name: archive[name] for name in archive.files}
    source = folder / "float32.tflite"
    reference = _outputs(source.read_bytes(), inputs)
    best, least = b"", np.inf
    for method in _METHODS[variant]:
        content = _quantize(source, variant, method, inputs)
        error = float(sum(np.square(a - b).mean() for a, b in zip(_outputs(content, inputs), reference, strict=True)))
        if error < least:
            best, least = content, error
    (folder / "int4.tflite").write_bytes(best)


def _quantize(source: Path, variant: str, method: str, inputs: dict[str, NDArray[Any]]) -> bytes:
    quantizer = require("litert_quantizer.quantizer", extra="toolkit").Quantizer(str(source))
    types = require("litert_quantizer.qtyping", extra="toolkit")
    scope = {"regex": ".*", "operation_name": types.TFLOperationName.ALL_SUPPORTED, "algorithm_key": method}
    if variant == "dynamic-int4":
        quantizer.add_dynamic_config(num_bits=4, **scope)
        return bytes(quantizer.quantize().quantized_model)
    quantizer.add_static_config(activation_num_bits=8, weight_num_bits=4, **scope)
    count = len(next(iter(inputs.values())))
    samples = [{name: values[i : i + 1] for name, values in inputs.items()} for i in range(count)]
    ranges = quantizer.calibrate({"serving_default": samples})
    return bytes(quantizer.quantize(ranges).quantized_model)


def _outputs(content: bytes, inputs: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
    interpreter = require("ai_edge_litert.interpreter", extra="litert").Interpreter(model_content=content)
    run = interpreter.get_signature_runner("serving_default")
    feeds = {
        name: values if (steps := _quantization(run.get_input_details()[name])) is None else steps.quantize(values)
        for name, values in inputs.items()
    }
    count = len(next(iter(feeds.values())))
    rows = [run(**{name: values[i : i + 1] for name, values in feeds.items()}) for i in range(count)]
    outputs = []
    for name, detail in sorted(run.get_output_details().items()):
        values, steps = np.concatenate([row[name] for row in rows]), _quantization(detail)
        outputs.append(values if steps is None else steps.dequantize(values))
    return outputs


def _quantization(detail: dict[str, Any]) -> Quantization | None:
    if not len(detail["quantization_parameters"]["scales"]):
        return None
    scale, zero_point = detail["quantization"]
    return Quantization(scale, zero_point, np.dtype(detail["dtype"]).name)


if __name__ == "__main__":
    _child(Path(sys.argv[1]), sys.argv[2])
