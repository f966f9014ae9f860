"""A backend in a child process with limits, so that a file that kills a parser becomes a Python exception.

The two sides talk over pipes: a line of JSON, then the arrays it announces, byte for byte. Nothing is unpickled.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactRefusedError, InputError
from ..manifest import TensorSpec

__all__ = ["IsolatedSession"]

_MEMORY = 1 << 30
"""Address space of the child in bytes. The interpreters need 0.3 GB of it, ONNX Runtime 0.6."""
_SECONDS = 60.0
"""What loading, or one call, may take before the child is killed."""
_HEADER = 1 << 20
_KINDS = frozenset("biufU")


class IsolatedSession:
    """A session whose backend runs in a child process."""

    def __init__(self, backend: str, content: bytes, threads: int, delegate: bool) -> None:
        program = f"from {__name__} import serve; serve()"
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        # A session that is forgotten, not closed, leaves no child either.
        self._end = weakref.finalize(self, _end, self._process)
        try:
            settings = {"backend": backend, "threads": threads, "delegate": delegate}
            reply, _ = self._ask(settings, [np.frombuffer(content, np.uint8)])
        except BaseException:
            self.close()
            raise
        self.inputs = tuple(map(TensorSpec.from_dict, reply["inputs"]))
        self.outputs = tuple(map(TensorSpec.from_dict, reply["outputs"]))
        self.chunk = int(reply["chunk"])
        self.metadata = {str(key): str(value) for key, value in reply["metadata"].items()}

    def call(self, array: NDArray[Any]) -> NDArray[Any]:
        """One input in, the first output out."""
        return self.run([array])[0]

    def run(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """One array per input, of its exact type; one new array per output."""
        return self._ask({}, arrays)[1]

    def close(self) -> None:
        """End the child."""
        self._end()

    def _ask(
        self, message: dict[str, Any], arrays: Sequence[NDArray[Any]]
    ) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # Killing the child ends the reading below, on every system.
        late = threading.Event()

        def kill() -> None:
            late.set()
            self._process.kill()

        watch = threading.Timer(_SECONDS, kill)
        watch.start()
        try:
            _write(self._process.stdin, message, arrays)
            reply, results = _read(self._process.stdout)
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            raise ArtifactRefusedError(self._ending(late.is_set())) from None
        finally:
            watch.cancel()
        if "error" in reply:
            error = ValueError if reply["kind"] == "ValueError" else InputError
            raise error(str(reply["error"]))
        return reply, results

    def _ending(self, late: bool) -> str:
        if self._process.poll() is None and not late:
            # It closed the pipe or wrote nonsense; a moment later it is gone by itself, or it is ended here.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
            self._process.kill()
        status = self._process.wait()
        if late:
            how = f"gave no answer in {_SECONDS:g} s"
        elif status < 0:
            how = f"was killed by {signal.Signals(-status).name}"
        else:
            how = f"ended with status {status}"
        limit = f"{_MEMORY // 10**6:,} MB"
        return f"the model's own process {how}: the file is unsafe or needs more than {limit}; do not use it"


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _write(pipe: IO[bytes], message: dict[str, Any], arrays: Sequence[NDArray[Any]]) -> None:
    # Texts are objects, whose memory holds addresses: they travel as arrays of characters.
    arrays = [array.astype(np.str_) if array.dtype == object else array for array in arrays]
    described = [{"dtype": array.dtype.str, "shape": array.shape} for array in arrays]
    pipe.write(json.dumps(message | {"arrays": described}).encode() + b"\n")
    for array in arrays:
        pipe.write(np.ascontiguousarray(array).data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    line = pipe.readline(_HEADER)
    if not line.endswith(b"\n"):
        raise EOFError
    message: dict[str, Any] = json.loads(line)
    arrays = []
    for described in message["arrays"]:
        dtype, shape = np.dtype(described["dtype"]), tuple(map(int, described["shape"]))
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if dtype.kind not in _KINDS or min(shape, default=0) < 0 or size > _MEMORY:
            raise ValueError(f"an array of {described}")
        data = pipe.read(size)
        if len(data) < size:
            raise EOFError
        array = np.frombuffer(data, dtype).reshape(shape)
        arrays.append(array.astype(object) if dtype.kind == "U" else array)
    return message, arrays


def serve() -> None:
    """The child's side: load the first message's model, then answer until the pipe closes."""
    source = sys.stdin.buffer
    # Native libraries print to standard output, which is the pipe: give them another one.
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit()
    from .registry import BACKENDS, open_session

    message, arrays = _read(source)
    session = None
    while True:
        try:
            if session is None:
                kind, content = BACKENDS[message["backend"]], arrays[0].tobytes()
                session = open_session(kind, content, threads=message["threads"], delegate=message["delegate"])
                reply: dict[str, Any] = {
                    "inputs": [spec.to_dict() for spec in session.inputs],
                    "outputs": [spec.to_dict() for spec in session.outputs],
                    "chunk": session.chunk,
                    "metadata": getattr(session, "metadata", {}),
                }
                results: list[NDArray[Any]] = []
            else:
                reply, results = {}, session.run(arrays)
        except (InputError, ValueError, RuntimeError, MemoryError) as error:
            kind_name = "ValueError" if session is not None else "InputError"
            reply, results = {"error": str(error) or type(error).__name__, "kind": kind_name}, []
        _write(target, reply, results)
        try:
            message, arrays = _read(source)
        except EOFError:
            return


def _limit() -> None:
    """Memory, and no file that grows; where the system has such limits."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    for limit, value in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))
