"""LiteRT and tflite-runtime: one Python interface, two builds."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgepress.base.errors import InputError

from ..formats.content import Content
from ..formats.tensor_names import detail_spec, public_names
from .registry import BACKENDS

__all__ = ["InterpreterSession"]

if TYPE_CHECKING:
    from numpy.typing import NDArray


class InterpreterSession:
    """A `.tflite` file in LiteRT's or tflite-runtime's interpreter."""

    chunk = 256
    # The library's wrappers of C++ raise the third where a call gives no result and says no reason.
    failures: tuple[type[Exception], ...] = (ValueError, RuntimeError, SystemError, TypeError)

    def __init__(self, name: str, content: Content, threads: int, delegate: bool) -> None:
        backend = BACKENDS[name]
        module = backend.module
        for other in (b.module for b in BACKENDS.values() if b.session == backend.session and b is not backend):
            if other in sys.modules:
                raise InputError(
                    f"{other} is loaded in this process, and two TFLite builds in one can crash it: "
                    f"use {name} in a process of its own"
                )
        library = importlib.import_module(f"{module}.interpreter")
        resolver = library.OpResolverType
        try:
            self._interpreter = library.Interpreter(
                model_content=content.data,
                num_threads=threads,
                experimental_op_resolver_type=(
                    resolver.AUTO if delegate else resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES
                ),
            )
            self._interpreter.allocate_tensors()
            inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
            signatures = self._interpreter._get_full_signature_list().values()
        except self.failures as error:
            raise InputError(f"{name} cannot load the model: {' '.join(str(error).split())}") from None
        names = public_names((signature["inputs"], signature["outputs"]) for signature in signatures)
        self.inputs = tuple(detail_spec(detail, names) for detail in inputs)
        self.outputs = tuple(detail_spec(detail, names) for detail in outputs)
        self._input_indices = [detail["index"] for detail in inputs]
        self._output_indices = [detail["index"] for detail in outputs]
        self._shapes = [tuple(detail["shape"].tolist()) for detail in inputs]
        # The wrapper's own methods look for views of the interpreter's memory at every call. None is ever made here,
        # and at 2 microseconds a model that look is a tenth of the time.
        self._raw = self._interpreter._interpreter
        # A graph may only keep or give: then nothing calls this.
        self.call = _caller(self._raw, [*self._input_indices, -1][0], [*self._output_indices, -1][0])
        if self._rounds_batches_differently(delegate and backend.integer_delegate):
            self.chunk = 1

    def _rounds_batches_differently(self, delegated: bool) -> bool:
        """Whether a batch may give other integers here than its images one by one.

        On ARM the built-in int8 kernels for several rows round halves otherwise than the one for a single row, which
        is the same on every processor (measured: one quantum in 4 % of the rows of a small classifier). tflite-runtime
        has no delegate for integers, so its batches are exact only row by row.
        """
        if delegated or len(self.inputs) != 1 or np.dtype(self.inputs[0].dtype).kind not in "iu":
            return False
        import platform

        return platform.machine().lower() not in ("x86_64", "amd64", "i686")

    def run(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """One array per input, of its exact type; one new array per output."""
        if self.chunk == 1 and self.inputs[0].shape[:1] == (-1,) and len(arrays[0]) > 1:
            rows = [self._run([arrays[0][i : i + 1]]) for i in range(len(arrays[0]))]
            return [np.concatenate(column) for column in zip(*rows, strict=True)]
        return self._run(arrays)

    def _run(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        shapes = [array.shape for array in arrays]
        if shapes != self._shapes:
            for index, shape in zip(self._input_indices, shapes, strict=True):
                self._raw.ResizeInputTensor(index, np.array(shape, np.int32), False)
            # Until the tensors are allocated again, no shape is the right one.
            self._shapes = []
            self._raw.AllocateTensors()
            self._shapes = shapes
        for index, array in zip(self._input_indices, arrays, strict=True):
            self._raw.SetTensor(index, array)
        self._raw.Invoke()
        return [self._raw.GetTensor(index, 0) for index in self._output_indices]

    def close(self) -> None:
        """Give the memory back."""
        del self._raw, self.call, self._interpreter


def _caller(raw: Any, source: int, target: int) -> Callable[[Any], NDArray[Any]]:
    set_tensor, invoke, get_tensor = raw.SetTensor, raw.Invoke, raw.GetTensor

    def call(array: Any) -> NDArray[Any]:
        set_tensor(source, array)
        invoke()
        output: NDArray[Any] = get_tensor(target, 0)
        return output

    return call
