"""Smaller ONNX models from the float32 one, by ONNX Runtime's own tools."""

import contextlib
import io
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgepress.base.extras import require

from ..materials import Materials
from ..quiet import quiet
from ..samples import Samples
from .convert import onnx_metadata
from .graph import Graph

__all__ = ["dynamic_int4", "dynamic_int8", "float16", "int8_percentile"]

_BLOCK = 128
"""Weights that share one scale in 4-bit models."""
_KEPT_BYTES = 500_000_000
"""Of all layers' outputs, while ranges are found: for 500 samples of most small models; of larger ones for fewer at a
time."""
_INT8_COMPUTE = 4
"""ONNX Runtime's `accuracy_level` at which 4-bit products are computed in int8."""


def float16(materials: Materials) -> bytes:
    """Weights and products of half precision, float32 at both ends."""
    return _make(materials, _float16)


def dynamic_int8(materials: Materials) -> bytes:
    """int8 weights; activations are quantized while the model runs."""
    return _make(materials, _dynamic_int8)


def int8_percentile(materials: Materials) -> bytes:
    """int8 with ranges of activations that leave outliers out."""
    return _make(materials, lambda model: _int8_percentile(model, materials.calibration))


def dynamic_int4(materials: Materials) -> bytes:
    """int4 weights in blocks; activations are quantized while the model runs."""
    return _make(materials, _dynamic_int4)


def _make(materials: Materials, change: Callable[[Any], Any]) -> bytes:
    """Another file from the float32 one, with its names and metadata."""
    assert materials.embedded is not None
    model = require("onnx", extra="toolkit").load_from_string(materials.base)
    with quiet():
        made = change(model)
    return Graph(made).finish({}, onnx_metadata(materials.embedded))


def _float16(model: Any) -> Any:
    tools = require("onnxruntime.transformers.float16", extra="toolkit")
    return tools.convert_float_to_float16(model, keep_io_types=True)


def _dynamic_int8(model: Any) -> Any:
    quantization = require("onnxruntime.quantization", extra="toolkit")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        # Unsigned weights: x86 without VNNI saturates where signed ones meet unsigned activations.
        unsigned = quantization.QuantType.QUInt8
        quantization.quantize_dynamic(model, path, weight_type=unsigned, per_channel=True)
        return require("onnx", extra="toolkit").load(path)


def _int8_percentile(model: Any, calibration: Samples) -> Any:
    quantization = require("onnxruntime.quantization", extra="toolkit")
    # Unsigned on both sides: as above, and then QDQ is exact there too.
    unsigned = quantization.QuantType.QUInt8
    prepare = require("onnxruntime.quantization.shape_inference", extra="toolkit").quant_pre_process
    # Both talk on standard output, where results of ours may go.
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path, fused = Path(folder, "model.onnx"), Path(folder, "fused.onnx")
        # A product and its bias as one operator, or the sum between them is rounded too.
        prepare(model, fused)
        feed, at_once = _Feed(calibration.inputs), _samples_at_once(fused)
        if at_once < len(feed):
            # Each portion is as long as the others; what is left over calibrates nothing.
            feed = _Feed(calibration[: len(feed) // at_once * at_once].inputs)
        quantization.quantize_static(
            fused,
            path,
            feed,
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=unsigned,
            weight_type=unsigned,
            calibrate_method=quantization.CalibrationMethod.Percentile,
            # Whatever its name says: with every method so many are looked at at a time.
            extra_options={"CalibStridedMinMax": at_once} if at_once < len(feed) else {},
        )
        return require("onnx", extra="toolkit").load(path)


def _samples_at_once(path: Path) -> int:
    """For how many samples what all layers give is kept until their ranges are found."""
    graph = require("onnx", extra="toolkit").load(path).graph
    each = sum(
        4 * math.prod(size.dim_value or 1 for size in value.type.tensor_type.shape.dim)
        for value in (*graph.value_info, *graph.output)
    )
    return max(1, _KEPT_BYTES // max(1, each))


class _Feed:
    """Samples one by one, as ONNX Runtime's `CalibrationDataReader` gives them."""

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        self._inputs = inputs
        self.set_range(0, len(self))

    def __len__(self) -> int:
        return len(next(iter(self._inputs.values())))

    def set_range(self, start_index: int, end_index: int) -> None:
        """Which of them come next."""
        self._samples = iter(
            {name: values[i : i + 1] for name, values in self._inputs.items()} for i in range(start_index, end_index)
        )

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._samples, None)


def _dynamic_int4(model: Any) -> Any:
    tools = require("onnxruntime.quantization.matmul_nbits_quantizer", extra="toolkit")
    config = tools.DefaultWeightOnlyQuantConfig(block_size=_BLOCK, is_symmetric=True, accuracy_level=_INT8_COMPUTE)
    quantizer = tools.MatMulNBitsQuantizer(model, algo_config=config)
    quantizer.process()
    return quantizer.model.model
