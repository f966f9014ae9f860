"""OpenVINO: reads `.tflite` and `.onnx` as they are."""

import os
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import InputError

from ..bundle.manifest import TensorSpec
from ..formats.content import Content
from ..formats.tensor_names import file_specs
from .onnx_runtime import no_text
from .registry import BACKENDS, import_library

__all__ = ["OpenvinoSession"]

_DTYPES = {"boolean": "bool", "f16": "float16", "f32": "float32", "f64": "float64"}
_DTYPES |= {f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)} | {f"u{bits}": f"uint{bits}" for bits in (8, 16)}
_DTYPES |= {"u32": "uint32", "u64": "uint64"}


class OpenvinoSession:
    """A model file in OpenVINO, on the processor; integers stay integers at its inputs and outputs."""

    chunk = 256
    failures: tuple[type[Exception], ...] = (ValueError, RuntimeError, TypeError)

    def __init__(self, name: str, content: Content, threads: int, delegate: bool) -> None:
        library = import_library(BACKENDS[name])
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # Otherwise processors that have bfloat16 or float16 compute in it.
            "INFERENCE_PRECISION_HINT": "f32",
            "CACHE_DIR": "",
        }
        try:
            core = library.Core()
            model = _read(core, content)
            self._compiled = core.compile_model(model, "CPU", settings)
            self._request = self._compiled.create_infer_request()
        except (ValueError, RuntimeError, TypeError, OSError) as error:
            raise InputError(f"openvino cannot load the model: {_short(error)}") from None
        if any(port.get_element_type().get_type_name() == "f64" for op in model.get_ops() for port in op.outputs()):
            raise InputError("openvino computes float64 as float32, and the model holds float64: name another backend")
        self.metadata: dict[str, str] = {}
        """An `.onnx` file's metadata properties."""
        try:
            self._describe(content, model)
        except UnicodeDecodeError:
            raise no_text() from None
        self._tensor = library.Tensor
        self._run = self._runner()

    def _describe(self, content: Content, model: Any) -> None:
        """Inputs and outputs as the file calls them, and at which of the library's ports each is."""
        inputs, outputs = list(self._compiled.inputs), list(self._compiled.outputs)
        if content.format == "onnx":
            self.inputs, self.outputs = tuple(map(_spec, inputs)), tuple(map(_spec, outputs))
            self._sources, self._targets = list(range(len(inputs))), list(range(len(outputs)))
            self.metadata = _metadata(model)
            return
        # The file's own tensors: their scales are not known to the library, nor the names in its signature.
        self.inputs, self.outputs = file_specs(content.tflite)
        graph = content.tflite.main
        self._sources = _places(inputs, [graph.tensors[i].name for i in graph.inputs])
        self._targets = _places(outputs, [graph.tensors[i].name for i in graph.outputs])
        _same_types(self.inputs, inputs, self._sources)
        _same_types(self.outputs, outputs, self._targets)

    def _runner(self) -> Callable[[Sequence[NDArray[Any]]], list[NDArray[Any]]]:
        request, tensor = self._request, self._tensor
        feeds = list(zip(self._sources, [np.dtype(spec.dtype) for spec in self.inputs], strict=True))

        def run(arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
            for (place, dtype), array in zip(feeds, arrays, strict=True):
                # The library would take the bytes of another type for what they are not.
                if array.dtype != dtype:
                    raise ValueError(f"got {array.dtype}, expected {dtype}")
                request.set_input_tensor(place, tensor(np.ascontiguousarray(array)))
            request.infer()
            return [request.get_output_tensor(place).data.copy() for place in self._targets]

        return run

    def call(self, array: NDArray[Any]) -> NDArray[Any]:
        """One input in, the first output out."""
        return self._run([array])[0]

    def run(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """One array per input, of its exact type; one new array per output."""
        return self._run(arrays)

    def close(self) -> None:
        """Give the memory back."""
        del self._request, self._compiled
        self._run = _closed


def _closed(arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    raise ValueError("closed")


def _read(core: Any, content: Content) -> Any:
    if content.format == "onnx":
        return core.read_model(model=content.data)
    # Its reader of .tflite takes a path and nothing else. The file is gone before the first inference.
    with tempfile.TemporaryDirectory(prefix="edgepress-") as folder:
        path = os.path.join(folder, "model.tflite")
        with open(path, "wb") as file:
            file.write(content.data)
        return core.read_model(path, config={"ENABLE_MMAP": False})


def _places(ports: Sequence[Any], names: Sequence[str]) -> list[int]:
    """For each of a file's tensors the number of its port: by name, or in the file's order where names are lost."""
    places = [next((i for i, port in enumerate(ports) if name in port.get_names()), -1) for name in names]
    if sorted(places) == list(range(len(ports))):
        return places
    if len(ports) != len(names):
        raise InputError(f"openvino gives the model {len(ports)} tensors of {len(names)}: name another backend")
    return list(range(len(ports)))


def _same_types(specs: Sequence[TensorSpec], ports: Sequence[Any], places: Sequence[int]) -> None:
    for spec, place in zip(specs, places, strict=True):
        given = _dtype(ports[place])
        if given != spec.dtype:
            raise InputError(f"openvino takes {spec.name} for {given}, it is {spec.dtype}: name another backend")


def _dtype(port: Any) -> str:
    name = port.get_element_type().get_type_name()
    if name not in _DTYPES:
        raise InputError(f"the model's tensor {port.any_name} is {name}: tensors of numbers are allowed")
    return _DTYPES[name]


def _spec(port: Any) -> TensorSpec:
    shape = tuple(size.get_length() if size.is_static else -1 for size in port.get_partial_shape())
    name = port.get_any_name() if port.get_names() else ""
    return TensorSpec(name, shape, _dtype(port))


def _metadata(model: Any) -> dict[str, str]:
    """The `.onnx` file's metadata properties."""
    if not model.has_rt_info(["framework"]):
        return {}
    found = model.get_rt_info(["framework"])
    value = getattr(found, "value", found)
    return {str(key): str(getattr(entry, "value", entry)) for key, entry in value.items()} if value else {}


def _short(error: Exception) -> str:
    """The reason at the end of the library's chain of places in its own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("Exception from")]
    return " ".join(lines)[:400] or type(error).__name__
