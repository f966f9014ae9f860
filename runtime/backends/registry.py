"""Which backends there are, which are here, and which one to take."""

import importlib.util
import sys
from typing import NamedTuple

import numpy as np

from edgepress.base.errors import InputError, MissingExtraError

from .base import Session

__all__ = ["BACKENDS", "Backend", "choose_backends", "open_session", "present_backends"]


class Backend(NamedTuple):
    """One runtime that may be installed."""

    name: str
    format: str
    """What it reads: tflite or onnx."""
    module: str
    """What `import` needs; its presence is looked up, not imported."""
    extra: str
    """The install extra that brings it; empty for the base install."""
    package: str
    """Its name on the package index."""

    def missing(self) -> str | None:
        """Why it cannot be used here, with the mend; None where it can."""
        if not _is_installed(self.module):
            return f"{self.package} is not installed for {sys.executable}: run  pip install 'edgepress[{self.extra}]'"
        if self.name == "tflite-runtime" and int(np.__version__.split(".")[0]) >= 2:
            return (
                f"tflite-runtime needs numpy below 2 and {np.__version__} is installed: run  "
                "pip install 'edgepress[tflite-runtime]'  in an environment of its own"
            )
        return None


# In the order in which `auto` prefers them.
BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (
        Backend("litert", "tflite", "ai_edge_litert", "litert", "ai-edge-litert"),
        Backend("tflite-runtime", "tflite", "tflite_runtime", "tflite-runtime", "tflite-runtime"),
        Backend("onnxruntime", "onnx", "onnxruntime", "onnx", "onnxruntime"),
        Backend("numpy", "tflite", "tflite", "", "tflite"),
    )
}


def _is_installed(module: str) -> bool:
    return module in sys.modules or importlib.util.find_spec(module) is not None


def present_backends(format: str | None = None) -> tuple[str, ...]:
    """Names of the backends that can be used here, best first; of one format where it is named."""
    return tuple(b.name for b in BACKENDS.values() if format in (None, b.format) and b.missing() is None)


def choose_backends(name: str, formats: tuple[str, ...]) -> tuple[Backend, ...]:
    """The backends to try on a model that is at hand in `formats`, best first.

    Args:
        name: A backend's name, which is the only one then, or `auto` for all that are present.
        formats: tflite, onnx or both.

    Raises:
        InputError: An unknown name, or a backend that cannot read what is there.
        MissingExtraError: The backend is not installed; the message holds the pip command.
    """
    readers = [backend for backend in BACKENDS.values() if backend.format in formats]
    if name == "auto":
        present = tuple(backend for backend in readers if backend.missing() is None)
        if not present:
            raise MissingExtraError(f"no backend here runs {' or '.join(formats)}: {readers[0].missing()}")
        return present
    if name not in BACKENDS:
        raise InputError(f"backend {name!r}: allowed are auto, {', '.join(BACKENDS)}")
    backend = BACKENDS[name]
    if backend not in readers:
        raise InputError(f"backend {name} reads .{backend.format}, not .{' or .'.join(formats)}: name another backend")
    if reason := backend.missing():
        raise MissingExtraError(reason)
    return (backend,)


def open_session(
    backend: Backend, content: bytes, *, threads: int = 1, delegate: bool = True, isolate: bool = False
) -> Session:
    """Hand a model file's bytes to a backend's parser, in a child process with limits where `isolate` is set.

    Raises:
        InputError: The backend cannot load them; the message is the backend's own.
        ArtifactRefusedError: The child process died of them.
    """
    if isolate:
        from .isolated import IsolatedSession

        return IsolatedSession(backend.name, content, threads, delegate)
    if backend.name == "numpy":
        from .reference import ReferenceSession

        return ReferenceSession(content)
    if backend.name == "onnxruntime":
        from .onnx_runtime import OnnxSession

        return OnnxSession(content, threads)
    from .interpreter import InterpreterSession

    return InterpreterSession(backend.name, content, threads, delegate)
