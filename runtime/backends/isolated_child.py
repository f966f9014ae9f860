"""The program of an isolated session's child process."""

import contextlib
import os
import sys
from typing import Any

from numpy.typing import NDArray

from edgepress.base.errors import ArtifactRefusedError, InputError

from ..formats.content import Content
from .base import Session
from .pipes import memory_for, read_message, write_message
from .registry import BACKENDS, open_session

__all__ = ["limit", "serve"]


def serve() -> None:
    """Load the first message's model, then answer until the pipe closes."""
    source = sys.stdin.buffer
    # Native libraries print to standard output, which is the pipe: give them another one.
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    settings, _ = read_message(source)
    backend = BACKENDS[settings["backend"]]
    limit(settings["bytes"], written=backend.by_path)
    write_message(target, {}, [])
    session: Session | None = None
    while True:
        try:
            _, arrays = read_message(source)
        except EOFError:
            return
        reply: dict[str, Any] = {}
        results: list[NDArray[Any]] = []
        try:
            if session is None:
                content = Content(arrays[0].tobytes(), settings["format"])
                session = open_session(backend, content, threads=settings["threads"], delegate=settings["delegate"])
                reply = {
                    "inputs": [spec.to_dict() for spec in session.inputs],
                    "outputs": [spec.to_dict() for spec in session.outputs],
                    "chunk": session.chunk,
                    "metadata": getattr(session, "metadata", {}),
                }
            else:
                results = session.run(arrays)
        except Exception as error:
            # While a file is loaded, what is not expected ends the process: the file is to blame.
            expected = (InputError, ValueError, RuntimeError) if session is None else session.failures
            if not isinstance(error, (*expected, MemoryError)):
                raise
            refused = isinstance(error, ArtifactRefusedError)
            kind = "refused" if refused else "input" if session is None else "value"
            reply = {"error": str(error) or type(error).__name__, "kind": kind}
        write_message(target, reply, results)


def limit(file_bytes: int, *, written: bool = False) -> None:
    """Memory for a model file of so many bytes; no file that grows, but that one where a backend wants it written.

    Where the system has such limits.
    """
    try:
        import resource
    except ModuleNotFoundError:
        return
    memory = memory_for(file_bytes)
    sizes = (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, file_bytes if written else 0),
        (resource.RLIMIT_CORE, 0),
    )
    for limit, value in sizes:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))


if __name__ == "__main__":
    serve()
