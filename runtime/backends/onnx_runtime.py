"""ONNX Runtime."""

import base64
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import ArtifactRefusedError, InputError
from edgepress.base.extras import require

from ..bundle.manifest import TensorSpec
from ..formats.content import Content

__all__ = ["OnnxSession", "no_text", "saturates"]

_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
    **{f"tensor({name})": name for name in ("float16", "int8", "int16", "int32", "int64")},
    **{f"tensor({name})": name for name in ("uint8", "uint16", "uint32", "uint64")},
}
_PRODUCT = base64.b64decode(
    "CAQSADpYChgKAWEKAWISAWMiDU1hdE11bEludGVnZXISAWcqDwgECAEQA0IBYkoEf39/f1oTCgFhEg4KDAgCEggKAggBCgIIBGITCgFjEg4KDAgG"
    "EggKAggBCgIIAUIECgAQCg=="
)
"""A model of one MatMulInteger: uint8 `a` of shape (1, 4) by int8 of (4, 1), all of them 127."""
_MAPS = "seq(map("
"""The type of what ZipMap gives, with which scikit-learn's classifiers end: for each row, scores by label."""


class OnnxSession:
    """An `.onnx` file in ONNX Runtime's session, on the processor."""

    chunk = 256

    def __init__(self, name: str, content: Content, threads: int, delegate: bool) -> None:
        # After the import it is too late: the library has written its device file by then.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        library = require("onnxruntime", extra="onnx")
        self._session = _session(library, content, threads)
        try:
            self.inputs = tuple(map(_spec, self._session.get_inputs()))
            self.outputs = tuple(map(_output_spec, self._session.get_outputs()))
            self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
            """The file's metadata properties."""
        except UnicodeDecodeError:
            # The library loads names that are no text, and fails when it is asked for them.
            raise no_text() from None
        self._names = [spec.name for spec in self.inputs]
        self.failures = _failures(library)
        self.call = self._caller()

    def _caller(self) -> Callable[[Any], NDArray[Any]]:
        # A graph may only give: then nothing calls this.
        source, target = [*self._names, ""][0], [spec.name for spec in self.outputs[:1]]
        run = self._session.run

        def call(array: Any) -> NDArray[Any]:
            output: NDArray[Any] = run(target, {source: array})[0]
            return output if isinstance(output, np.ndarray) else _columns(output)

        return call

    def run(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """One array per input, of its exact type; one new array per output. Scores by label become a column a label."""
        outputs = self._session.run(None, dict(zip(self._names, arrays, strict=True)))
        return [output if isinstance(output, np.ndarray) else _columns(output) for output in outputs]

    def close(self) -> None:
        """Give the memory back."""
        del self._session, self.call


def _session(library: Any, content: Content, threads: int) -> Any:
    """The file in a session, as precise as it can be, and no slower than that takes.

    x86 without VNNI multiplies int8 in pairs and saturates at 16 bits; an option keeps the products apart. Elsewhere it
    would buy nothing and double the time of an int8 file: the library obeys it on every processor. With it the library
    does not load files in which several operators share a signed weight (1.31: "Attempt to replace the existing
    tensor"), as Keras 3 writes them; such a file is loaded without it.
    """
    failures = []
    for precise in (True, False) if saturates(library) else (False,):
        options = _options(library, threads)
        if precise:
            options.add_session_config_entry("session.x64quantprecision", "1")
        try:
            return library.InferenceSession(content.data, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # The library raises a dozen classes of its own, with Exception as their only common base.
            failures.append(" ".join(str(error).split()))
    raise InputError(f"onnxruntime cannot load the model: {failures[-1]}")


@functools.cache
def saturates(library: Any) -> bool:
    """Whether this processor's products of uint8 and int8 saturate: it is asked, for 4 x 254 x 127. Lists of what
    processors can do are the host's under emulation, and differ from system to system."""
    given = np.full((1, 4), 254, np.uint8)
    try:
        session = library.InferenceSession(_PRODUCT, _options(library, 1), providers=["CPUExecutionProvider"])
        return int(session.run(None, {"a": given})[0][0, 0]) != 4 * 254 * 127
    except Exception:  # A build without this operator: precise rather than quick.
        return True


def _options(library: Any, threads: int) -> Any:
    options = library.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # What fails comes back as an exception.
    options.log_severity_level = 4
    return options


def no_text() -> ArtifactRefusedError:
    """The error for a file whose names a library loads and cannot give."""
    return ArtifactRefusedError("the model's names or metadata are no UTF-8 text: the file is damaged")


def _failures(library: Any) -> tuple[type[Exception], ...]:
    """What a run may raise: the library has a class for each of its status codes, with Exception as their only base."""
    state = library.capi.onnxruntime_pybind11_state
    own = [value for value in vars(state).values() if isinstance(value, type) and issubclass(value, Exception)]
    return (ValueError, RuntimeError, TypeError, *own)


def _output_spec(argument: Any) -> TensorSpec:
    return TensorSpec(argument.name, (-1, -1), "float32") if argument.type.startswith(_MAPS) else _spec(argument)


def _columns(rows: list[dict[Any, float]]) -> NDArray[np.float32]:
    """Every row has the same labels, and the library sorts them."""
    return np.array([list(row.values()) for row in rows], np.float32)


def _spec(argument: Any) -> TensorSpec:
    if argument.type not in _TYPES:
        raise InputError(f"the model's tensor {argument.name} is {argument.type}: tensors of numbers are allowed")
    shape = tuple(size if isinstance(size, int) else -1 for size in argument.shape)
    return TensorSpec(argument.name, shape, _TYPES[argument.type])
