"""The program of an isolated session's child process."""

import contextlib
import os
import sys
from typing import Any

from numpy.typing import NDArray

from edgepress.base.errors import InputError

from .pipes import MEMORY, read_message, write_message
from .registry import BACKENDS, open_session

__all__ = ["limit", "serve"]


def serve() -> None:
    """Load the first message's model, then answer until the pipe closes."""
    source = sys.stdin.buffer
    # Native libraries print to standard output, which is the pipe: give them another one.
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    limit()
    message, arrays = read_message(source)
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
        write_message(target, reply, results)
        try:
            message, arrays = read_message(source)
        except EOFError:
            return


def limit() -> None:
    """Memory, and no file that grows; where the system has such limits."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    for limit, value in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))


if __name__ == "__main__":
    serve()
