"""The structural check of a `.tflite` file of unknown origin, before any native parser sees it.

Native parsers trust what they read: of random changes to a file, tflite-runtime 2.14 died of every fifth. The check
follows every offset, index, shape and size; where a file has operators that it does not know in that depth, it says so,
and the caller isolates the model instead.
"""

import math
from itertools import accumulate

import numpy as np

from edgepress.base.errors import ArtifactRefusedError, InputError, Refusal

from .check_operators import check_operator, ensure, refuse
from .flatbuffer import verify_tflite_bounds
from .tflite_file import Subgraph, Tensor, TfliteFile, read_tflite, type_bits

__all__ = ["check_tflite", "memory_bytes"]

_MEMORY = 1 << 28
"""Bytes that a file's tensors may take at once beyond those of the file; models for the edge take a hundredth."""
_SCHEMA_VERSION = 3


def check_tflite(content: bytes) -> tuple[TfliteFile, bool]:
    """Check a file's structure.

    Returns:
        The file, and whether the check vouches for it: False where it holds operators (or sparse tensors, or several
        graphs) that are not checked in depth, so that loading it needs isolation.

    Raises:
        ArtifactRefusedError: The file is damaged or malicious, too large, or has operators that nothing here runs; the
            message names the part.
    """
    if content[4:8] != b"TFL3":
        raise InputError("not a .tflite file: its fifth to eighth bytes are not TFL3")
    verify_tflite_bounds(content)
    try:
        model = read_tflite(content)
    except InputError as error:
        raise ArtifactRefusedError(str(error)) from None
    if model.version != _SCHEMA_VERSION or not model.subgraphs:
        raise refuse(f"schema version {model.version} with {len(model.subgraphs)} graphs")
    vouched = len(model.subgraphs) == 1 and bool(model.main.inputs and model.main.outputs)
    for graph in model.subgraphs:
        _check_tensors(graph)
        _check_order(graph)
    memory, allowed = sum(map(memory_bytes, model.subgraphs)), _MEMORY + len(content)
    if memory > allowed:
        raise ArtifactRefusedError(
            f"the .tflite file's tensors take {memory // 10**6:,} MB at once, and {allowed // 10**6:,} MB is allowed "
            "for a file that no bundle vouches for: make it smaller, or export it as a bundle",
            Refusal.TOO_LARGE,
        )
    for graph in model.subgraphs:
        for operator in graph.operators:
            vouched = check_operator(operator, graph) and vouched
    for signature in model.signatures:
        _check_signature(signature.subgraph, [*signature.inputs.values(), *signature.outputs.values()], model)
    return model, vouched


def _check_signature(subgraph: int, tensors: list[int], model: TfliteFile) -> None:
    ensure(0 <= subgraph < len(model.subgraphs), "a signature names a graph that is not there")
    count = len(model.subgraphs[subgraph].tensors)
    ensure(all(0 <= index < count for index in tensors), "a signature names a tensor that is not there")


def _check_tensors(graph: Subgraph) -> None:
    for tensor in graph.tensors:
        what = f"tensor {tensor.index} ({tensor.name[:40]})"
        ensure(len(tensor.shape) <= 8 and min(tensor.shape, default=1) >= 0, f"{what} has shape {tensor.shape}")
        ensure(
            len(tensor.shape_signature) == len(tensor.shape)
            and all(s in (-1, n) for s, n in zip(tensor.shape_signature, tensor.shape, strict=True)),
            f"{what} has shape {tensor.shape} and signature {tensor.shape_signature}",
        )
        bits = type_bits(tensor.dtype)
        size = _tensor_bytes(tensor)
        if tensor.is_constant and bits and not tensor.sparse:
            ensure(len(tensor.data) == size, f"{what} of {size} bytes has {len(tensor.data)} in the file")
        _check_quantization(tensor, what)


def _tensor_bytes(tensor: Tensor) -> int:
    return (math.prod(tensor.shape) * type_bits(tensor.dtype) + 7) // 8


def memory_bytes(graph: Subgraph) -> int:
    """What a graph's tensors take at once at most, where buffers are used again as interpreters do.

    Constants and variables always count; a computed tensor from the operator that makes it to the last that uses it.
    """
    last = {index: step for step, operator in enumerate(graph.operators) for index in operator.inputs}
    last |= dict.fromkeys(graph.outputs, len(graph.operators))
    made = {index: step for step, operator in enumerate(graph.operators) for index in operator.outputs}
    # Unpacked, a sparse tensor has all its elements.
    fixed, change = 0, [0] * (len(graph.operators) + 2)
    for tensor in graph.tensors:
        size = _tensor_bytes(tensor)
        first = made.get(tensor.index, 0)
        if tensor.is_constant or tensor.is_variable or (tensor.index not in made and tensor.index not in last):
            fixed += size
        else:
            change[first] += size
            change[max(last.get(tensor.index, first), first) + 1] -= size
    return fixed + max(accumulate(change))


def _check_quantization(tensor: Tensor, what: str) -> None:
    scales = tensor.scales
    if not len(scales):
        return
    ensure(bool(np.all(np.isfinite(scales) & (scales > 0))), f"{what} has a scale that is not above 0 and finite")
    if len(scales) > 1:
        axis = tensor.quantized_dimension
        channels = tensor.shape[axis] if 0 <= axis < len(tensor.shape) else -1
        ensure(len(scales) == channels, f"{what} of shape {tensor.shape} has {len(scales)} scales on axis {axis}")
    if tensor.dtype in ("int8", "uint8", "int16", "int32"):
        limits = np.iinfo(tensor.dtype)
        inside = (tensor.zero_points >= limits.min) & (tensor.zero_points <= limits.max)
        ensure(bool(np.all(inside)), f"{what} has a zero point outside {tensor.dtype}")


def _check_order(graph: Subgraph) -> None:
    """Indices are there, and every tensor is known before it is used and made once."""
    count = len(graph.tensors)
    operators = [(o.inputs, o.outputs, o.intermediates) for o in graph.operators]
    indices = [*graph.inputs, *graph.outputs]
    for inputs, outputs, intermediates in operators:
        indices += [i for i in inputs if i != -1] + list(outputs) + [i for i in intermediates if i != -1]
    ensure(all(0 <= index < count for index in indices), "an operator names a tensor that is not there")
    known = {t.index for t in graph.tensors if t.is_constant or t.is_variable}
    ensure(not known.intersection(graph.inputs), "an input is a constant")
    ensure(len(set(graph.inputs)) == len(graph.inputs), "an input is named twice")
    known |= set(graph.inputs)
    # What has no elements has no numbers in the file either: a shape of no dimensions.
    made = {i for _, outputs, _ in operators for i in outputs}
    known |= {t.index for t in graph.tensors if 0 in t.shape} - made
    for inputs, outputs, _ in operators:
        ensure(known.issuperset(i for i in inputs if i != -1), "an operator uses a tensor before it is made")
        ensure(not known.intersection(outputs), "a tensor is made twice")
        known |= set(outputs)
    ensure(known.issuperset(graph.outputs), "an output is never made")
