"""The program of an isolated session's child process."""

import contextlib
import os
import sys
from typing import Any

from numpy.typing import NDArray

from edgepress.base.errors import ArtifactRefusedError, InputError

from ..formats.content import Content
from .base import Session
from .pipes import MEMORY, read_message, write_message
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
    limit(MEMORY if backend.by_path else 0)
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


def limit(file_bytes: int = 0) -> None:
    """Memory, and no file that grows beyond `file_bytes`; where the system has such limits."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    for limit, value in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, file_bytes), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))


if __name__ == "__main__":
    serve()
