"""Smaller ONNX models from the float32 one, by ONNX Runtime's own tools."""

import tempfile
from pathlib import Path
from typing import Any

from edgepress.runtime.extras import require

from .onnx_graph import Graph
from .quiet import quiet

__all__ = ["from_float32"]

_BLOCK = 128
"""Weights that share one scale in 4-bit models."""
_INT8_COMPUTE = 4
"""ONNX Runtime's `accuracy_level` at which 4-bit products are computed in int8."""


def from_float32(float32: bytes, variant: str, metadata: dict[str, str]) -> bytes:
    """Make `float16`, `dynamic-int8` or `dynamic-int4` from the float32 ONNX file.

    Args:
        float32: The file.
        variant: Which of the three.
        metadata: Metadata properties of the new file.
    """
    model = require("onnx", extra="toolkit").load_from_string(float32)
    with quiet():
        made = {"float16": _float16, "dynamic-int8": _dynamic_int8, "dynamic-int4": _dynamic_int4}[variant](model)
    return Graph(made).finish({}, metadata)


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


def _dynamic_int4(model: Any) -> Any:
    tools = require("onnxruntime.quantization.matmul_nbits_quantizer", extra="toolkit")
    config = tools.DefaultWeightOnlyQuantConfig(block_size=_BLOCK, is_symmetric=True, accuracy_level=_INT8_COMPUTE)
    quantizer = tools.MatMulNBitsQuantizer(model, algo_config=config)
    quantizer.process()
    return quantizer.model.model
