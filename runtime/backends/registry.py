"""Which backends there are, which are here, and which one to take."""

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import NamedTuple

import numpy as np

from edgepress.base.errors import InputError, MissingExtraError
from edgepress.base.extras import require

from ..formats.content import Content
from .base import Session

__all__ = [
    "BACKENDS",
    "Backend",
    "backends_of",
    "choose_backends",
    "import_library",
    "open_session",
    "other_python",
    "present_backends",
]


class Backend(NamedTuple):
    """One runtime that may be installed: everything that is known of it."""

    name: str
    formats: tuple[str, ...]
    """What it reads: tflite, onnx; the one it is faster at first."""
    module: str
    """What `import` needs; its presence is looked up, not imported."""
    package: str
    """Its name on the package index."""
    extra: str
    """The install extra that brings it; empty for the base install."""
    session: str
    """Its session, `module:class` of this folder; imported when the first model is opened."""
    delegate: bool = False
    """Whether it has a default delegate (XNNPACK), so that there are two settings to try."""
    integer_delegate: bool = False
    """Whether that delegate takes integers too."""
    native: bool = True
    """Whether native code parses the file, which a damaged one may kill."""
    by_path: bool = False
    """Whether its library reads a file by its path alone, so that the bytes are written to a temporary one first."""
    shows_layers: bool = False
    """Whether it keeps every layer's output, so that lost accuracy can be looked for."""
    quanta: float = 0.0
    """Largest difference of an integer output from the exact one, without delegates; in quanta."""
    rounds_otherwise: tuple[str, ...] = ()
    """Operators whose integers it rounds in a way of its own, so that a file with them need not come out exactly."""
    dynamic_share: float = 0.01
    """Largest difference of a dynamic file's outputs, as a share of the largest of them."""
    does_without: str = ""
    """A package that its library takes where it is there, and that is kept from it: what counts its users."""
    numpy_below: int | None = None
    """The first major version of numpy that it does not work with."""
    last_python: tuple[int, int] | None = None
    """The last Python that it has wheels for; None where there are some for every one that edgepress runs on."""
    machines: tuple[str, ...] = ()
    """What `platform.machine()` says where it has wheels; empty where it needs none."""
    python_variable: str = ""
    """The environment variable that may name an interpreter that has it, where this one does not."""

    @property
    def delegates(self) -> tuple[bool, ...]:
        """The settings of its default delegate that are worth trying."""
        return (False, True) if self.delegate else (False,)

    def missing(self) -> str | None:
        """Why it cannot be used here, with the mend; None where it can."""
        if not _is_installed(self.module):
            if reason := self._never():
                return reason
            return f"{self.package} is not installed for {sys.executable}: run  pip install 'edgepress[{self.extra}]'"
        if self.numpy_below is not None and int(np.__version__.split(".")[0]) >= self.numpy_below:
            return (
                f"{self.name} needs numpy below {self.numpy_below} and {np.__version__} is installed: run  "
                f"pip install 'edgepress[{self.extra}]'  in an environment of its own"
            )
        return None

    def _never(self) -> str:
        """Why pip cannot install it here; empty where it can."""
        import platform

        if self.last_python is not None and sys.version_info[:2] > self.last_python:
            last = ".".join(map(str, self.last_python))
            return f"{self.package} has no wheel for Python {platform.python_version()}: Python up to {last} is allowed"
        machine = platform.machine().lower()
        if self.machines and machine not in self.machines:
            return f"{self.package} has no wheel for {machine}: {', '.join(self.machines)} are allowed"
        return ""


_X86, _ARM = ("x86_64", "amd64"), ("aarch64", "arm64")
# In the order in which `auto` prefers them.
_ROWS = (
    Backend(
        "litert", ("tflite",), "ai_edge_litert", "ai-edge-litert", "litert", "interpreter:InterpreterSession",
        delegate=True, integer_delegate=True, shows_layers=True, machines=_X86 + _ARM,
    ),
    Backend(
        "tflite-runtime", ("tflite",), "tflite_runtime", "tflite-runtime", "tflite-runtime",
        "interpreter:InterpreterSession",
        # Release 2.14: of 56 kinds of operators in the int8 files of 67 networks, given the same integers, these three
        # came out a step away here and there (halves below zero, which a ReLU cuts off), the others nowhere.
        delegate=True, rounds_otherwise=("BATCH_MATMUL", "DEPTHWISE_CONV_2D", "MEAN"), numpy_below=2,
        last_python=(3, 11), machines=(*_X86, *_ARM, "armv7l"),
        python_variable="EDGEPRESS_TFLITE_RUNTIME_PYTHON",
    ),
    Backend(
        "onnxruntime", ("onnx",), "onnxruntime", "onnxruntime", "onnx", "onnx_runtime:OnnxSession",
        machines=_X86 + _ARM,
    ),
    # It rescales integers in float32 as XNNPACK does, and was as far off as that on every model measured: 1 quantum in
    # 0.5 % of the outputs of dense classifiers, 2 in a third of a CNN's. Dynamic files it computes in float32, without
    # rounding what goes into a layer: off by up to 0.8 % of the largest output.
    Backend(
        "openvino", ("tflite", "onnx"), "openvino", "openvino", "openvino", "openvino:OpenvinoSession",
        by_path=True, quanta=16.0, dynamic_share=0.05, does_without="openvino_telemetry", machines=_X86 + _ARM,
    ),
    Backend("numpy", ("tflite",), "tflite", "tflite", "", "reference:ReferenceSession", native=False),
)  # fmt: skip
BACKENDS: dict[str, Backend] = {backend.name: backend for backend in _ROWS}


def _is_installed(module: str) -> bool:
    return module in sys.modules or importlib.util.find_spec(module) is not None


def backends_of(format: str) -> tuple[Backend, ...]:
    """The backends that read a format, best first, whether they are here or not."""
    return tuple(backend for backend in BACKENDS.values() if format in backend.formats)


def present_backends(format: str | None = None) -> tuple[str, ...]:
    """Names of the backends that can be used here, best first; of one format where it is named."""
    return tuple(b.name for b in BACKENDS.values() if (format is None or format in b.formats) and b.missing() is None)


def choose_backends(name: str, formats: tuple[str, ...]) -> tuple[Backend, ...]:
    """The backends to try on a model that is at hand in `formats`, best first.

    Args:
        name: A backend's name, which is the only one then, or `auto` for all that are present.
        formats: tflite, onnx or both.

    Raises:
        InputError: An unknown name, or a backend that cannot read what is there.
        MissingExtraError: The backend is not installed; the message holds the pip command.
    """
    readers = [backend for backend in BACKENDS.values() if set(backend.formats) & set(formats)]
    if name == "auto":
        present = tuple(backend for backend in readers if backend.missing() is None)
        if not present:
            raise MissingExtraError(f"no backend here runs {' or '.join(formats)}: {readers[0].missing()}")
        return present
    if name not in BACKENDS:
        raise InputError(f"backend {name!r}: allowed are auto, {', '.join(BACKENDS)}")
    backend = BACKENDS[name]
    if backend not in readers:
        own, given = " and .".join(backend.formats), " or .".join(formats)
        raise InputError(f"backend {name} reads .{own}, not .{given}: name another backend")
    if reason := backend.missing():
        raise MissingExtraError(reason)
    return (backend,)


def open_session(
    backend: Backend, content: Content, *, threads: int = 1, delegate: bool = True, isolate: bool = False
) -> Session:
    """Hand a model file to a backend's parser, in a child process with limits where `isolate` is set.

    Raises:
        InputError: The backend cannot load it; the message is the backend's own.
        ArtifactRefusedError: The child process died of it.
    """
    place = "isolated:IsolatedSession" if isolate else backend.session
    module, _, kind = place.partition(":")
    session: Session = getattr(importlib.import_module(f".{module}", __package__), kind)(
        backend.name, content, threads, delegate
    )
    return session


def import_library(backend: Backend) -> ModuleType:
    """Import a backend's library, without what it does without.

    Raises:
        MissingExtraError: It is not installed.
    """
    unwanted = backend.does_without
    keep_out = bool(unwanted) and backend.module not in sys.modules and unwanted not in sys.modules
    if keep_out:
        # Python's own mark of a module that is not to be had: the library has a stub that does nothing.
        sys.modules[unwanted] = None  # type: ignore[assignment]
    try:
        return require(backend.module, extra=backend.extra)
    finally:
        if keep_out:
            del sys.modules[unwanted]


def other_python(backend: Backend) -> str | None:
    """The interpreter that the environment names for a backend; None where it names none that is there."""
    path = os.environ.get(backend.python_variable) if backend.python_variable else None
    return path if path and os.path.isfile(path) else None
