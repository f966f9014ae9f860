"""LiteRT's quantizer and interpreter, in a process of their own: they must not meet TensorFlow's in one.

`run_program` is for the parent; the rest is for the programs `int4` and `mixed`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.child import run_module
from edgepress.base.extras import require
from edgepress.runtime.formats.tensor_names import detail_quantization
from edgepress.runtime.formats.tflite_file import read_tflite

from ..errors import ConversionError
from ..fidelity.measure import Outputs
from .finish import SIGNATURE

__all__ = [
    "CLIPPED",
    "LARGEST",
    "LEAST_ERROR",
    "StaticQuantizer",
    "dynamic_quantize",
    "four_bit_layers",
    "has_sound_scales",
    "outputs",
    "read_inputs",
    "run_program",
]

LARGEST, CLIPPED, LEAST_ERROR = "min_max_uniform_quantize", "OCTAV", "MSE"
"""How a channel's scale is found: the largest weight; the clipping of Sakr et al. 2022 (OCTAV); the least squared error
over a grid."""
_FOUR_BITS = ("FULLY_CONNECTED", "CONV_2D")
"""Operators that the quantizer gives 4-bit weights beside int8 activations."""
_SECONDS = 3600.0
"""Mixed precision tries every layer of a large model on every sample."""


def run_program(module: str, folder: Path, *arguments: str) -> None:
    """Run `python -m module folder arguments...`.

    Raises:
        ConversionError: It failed, in its last line's words, or took longer than an hour.
    """
    done = run_module(module, str(folder), *arguments, seconds=_SECONDS)
    if not done.ok:
        # What the program raised itself is the reason, without the name of the class.
        _, own, reason = done.reason.partition(f"{ConversionError.__module__}.{ConversionError.__name__}: ")
        raise ConversionError(reason if own else done.reason)


def read_inputs(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays by input name, from an `.npz` file."""
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


class StaticQuantizer:
    """Activations of 8 bits, whose ranges are measured once; weights of 8 bits, or of 4 where that is asked for."""

    def __init__(self, float32: Path, inputs: Mapping[str, NDArray[Any]]) -> None:
        self._float32 = float32
        # The quantizer's own way, a moving average of each sample's range, cuts off what most samples do not reach:
        # on MNIST a model whose weights have 8 bits comes to 13 dB, and to 39 with the whole range.
        whole = require("litert_quantizer.utils.qsv_utils", extra="toolkit").min_max_update
        calibrator = require("litert_quantizer.calibrator", extra="toolkit").Calibrator(
            str(float32), qsv_update_func=whole
        )
        rules = require("litert_quantizer.recipe_manager", extra="toolkit").RecipeManager()
        _add_rules(rules, {})
        count = len(next(iter(inputs.values())))
        samples = [{name: values[i : i + 1] for name, values in inputs.items()} for i in range(count)]
        calibrator.calibrate({SIGNATURE: samples}, rules)
        self._ranges = calibrator.get_model_qsvs()

    def quantize(self, four_bits: Mapping[str, str]) -> bytes:
        """The file.

        Args:
            four_bits: Which of the layers in `four_bit_layers` get 4 bits, and by which method their scales.
        """
        quantizer = require("litert_quantizer.quantizer", extra="toolkit").Quantizer(str(self._float32))
        _add_rules(quantizer, four_bits)
        return bytes(quantizer.quantize(self._ranges).quantized_model)


def _add_rules(recipe: Any, four_bits: Mapping[str, str]) -> None:
    """Later rules win; a scope is the name of an operator's output with a semicolon behind it."""
    operators = require("litert_quantizer.qtyping", extra="toolkit").TFLOperationName.ALL_SUPPORTED
    recipe.add_static_config(".*", operators, activation_num_bits=8, weight_num_bits=8)
    for layer, method in four_bits.items():
        scope = f"^{re.escape(layer)};"
        recipe.add_static_config(scope, operators, activation_num_bits=8, weight_num_bits=4, algorithm_key=method)


def dynamic_quantize(float32: Path, method: str) -> bytes:
    """The file with weights of 4 bits, activations quantized while the model runs."""
    quantizer = require("litert_quantizer.quantizer", extra="toolkit").Quantizer(str(float32))
    operators = require("litert_quantizer.qtyping", extra="toolkit").TFLOperationName.ALL_SUPPORTED
    quantizer.add_dynamic_config(".*", operators, num_bits=4, algorithm_key=method)
    return bytes(quantizer.quantize().quantized_model)


def four_bit_layers(float32: Path) -> dict[str, int]:
    """Layers that can have 4-bit weights and int8 activations: name of the output to number of weights."""
    graph = read_tflite(float32.read_bytes()).main
    return {
        graph.tensors[operator.outputs[0]].name: weights.size
        for operator in graph.operators
        if operator.name in _FOUR_BITS and (weights := graph.tensors[operator.inputs[1]]).is_constant
    }


def has_sound_scales(content: bytes) -> bool:
    """Whether every scale is above 0 and finite: OCTAV finds none for a channel whose weights are all zero."""
    scales = [tensor.scales for _, tensor in read_tflite(content).constants() if len(tensor.scales)]
    return all(np.isfinite(each).all() and (each > 0).all() for each in scales)


def outputs(content: bytes, inputs: Mapping[str, NDArray[Any]], *, delegate: bool = True) -> Outputs:
    """What a file answers, in real numbers, one sample at a time: any batch size is fine."""
    library = require("ai_edge_litert.interpreter", extra="litert")
    kinds = library.OpResolverType
    resolver = kinds.AUTO if delegate else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = library.Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    run = interpreter.get_signature_runner(SIGNATURE)
    feeds = {
        name: values
        if (steps := detail_quantization(run.get_input_details()[name])) is None
        else steps.quantize(values)
        for name, values in inputs.items()
    }
    count = len(next(iter(feeds.values())))
    rows = [run(**{name: values[i : i + 1] for name, values in feeds.items()}) for i in range(count)]
    answers = {}
    for name, detail in sorted(run.get_output_details().items()):
        values, steps = np.concatenate([row[name] for row in rows]), detail_quantization(detail)
        answers[name] = values if steps is None else steps.dequantize(values)
    return answers
